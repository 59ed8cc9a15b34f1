// SPDX-License-Identifier: MIT
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const get = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";

  // Elements are made, never parsed: a package's texts can't become markup.
  function element(name, attributes = {}, ...children) {
    const made = name.startsWith("svg:") ? document.createElementNS(SVG, name.slice(4)) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  function size(bytes) {
    const units = ["B", "KiB", "MiB", "GiB"];
    let value = Math.abs(bytes), unit = 0;
    while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
    return (bytes < 0 ? "−" : "") + (unit === 0 ? value : value.toFixed(1)) + " " + units[unit];
  }

  function time(seconds) {
    if (seconds < 60) return seconds.toFixed(1) + " s";
    return Math.floor(seconds / 60) + " min " + String(Math.round(seconds % 60)).padStart(2, "0") + " s";
  }

  const share = (part, whole) => (whole ? (100 * part / whole).toFixed(part / whole < 0.1 ? 1 : 0) : "0") + " %";

  // ---- head
  function head() {
    const image = data.image;
    const words = [data.arch, data.profile && "profile " + data.profile, data.variant && "variant " + data.variant,
      "snapshot of " + new Date(image.time * 1000).toISOString().slice(0, 10)];
    get("about").textContent = words.filter(Boolean).join(" · ");
    const facts = [["Image", size(image.size)], ["Unpacked", size(data.total)], ["Packages", data.packages.length],
      ["Files", image.files], ["Compression", image.compression]];
    for (const [name, value] of facts) get("facts").append(element("div", {}, element("dt", {}, name), element("dd", {}, String(value))));
  }

  // ---- treemap: squarified (Bruls, Huizing, van Wijk 2000)
  function layout(items, x, y, width, height) {
    const boxes = [];
    const total = items.reduce((sum, item) => sum + item.s, 0);
    if (!total) return boxes;
    const scale = width * height / total;
    let rest = items.filter((item) => item.s > 0).sort((a, b) => b.s - a.s);
    const worst = (row, side, sum) => Math.max(side * side * row[0].s * scale / (sum * sum * scale * scale),
      sum * sum * scale * scale / (side * side * row[row.length - 1].s * scale));
    while (rest.length) {
      const side = Math.min(width, height);
      let row = [rest[0]], sum = rest[0].s, count = 1;
      while (count < rest.length && worst([...row, rest[count]], side, sum + rest[count].s) <= worst(row, side, sum)) {
        row.push(rest[count]); sum += rest[count].s; count += 1;
      }
      const depth = sum * scale / side;
      let along = 0;
      for (const item of row) {
        const length = side * item.s / sum;
        boxes.push(width >= height ? [item, x, y + along, depth, length] : [item, x + along, y, length, depth]);
        along += length;
      }
      if (width >= height) { x += depth; width -= depth; } else { y += depth; height -= depth; }
      rest = rest.slice(count);
    }
    return boxes;
  }

  let view = "folder", trail = [data.folders];
  const DEPTH = 3, STRIP = 19, GAP = 2;

  function fit(text, width) {
    const most = Math.floor((width - 10) / 6.7);
    return text.length <= most ? text : most > 3 ? text.slice(0, most - 1) + "…" : "";
  }

  // A box, and what is in it as long as there is room: frames are grey, what is in a frame has one colour.
  function box(svg, above, item, index, hue, x, y, w, h) {
    const path = [...above, item], inside = item.c && above.length - trail.length + 1 < DEPTH && w > 70 && h > 60;
    const label = `${path.slice(1).map((one) => one.n).join("/")}: ${size(item.s)}, ${share(item.s, data.total)} of the image`;
    const enter = () => { if (item.c) { trail = path; draw(true); } };
    const tell = () => { get("hover").textContent = label; };
    const own = hue ?? (inside && above.length === trail.length ? 9 : index % 9);
    const drawn = element("svg:g", { class: item.c ? "open" : "", tabindex: w * h > 200 ? "0" : "-1", role: item.c ? "button" : "img", "aria-label": label,
      onclick: enter, onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); enter(); } }, onmouseenter: tell, onfocus: tell },
      element("svg:rect", { x: x.toFixed(1), y: y.toFixed(1), width: Math.max(0, w).toFixed(1), height: Math.max(0, h).toFixed(1), rx: 3, class: "c" + own }));
    const both = inside && w > 150;
    if (w > 44 && h > 18) drawn.append(element("svg:text", { x: (x + 6).toFixed(1), y: (y + 14).toFixed(1) }, fit(both ? `${item.n}  ${size(item.s)}` : item.n, w)));
    if (!inside && w > 64 && h > 36) drawn.append(element("svg:text", { x: (x + 6).toFixed(1), y: (y + 29).toFixed(1), class: "small" }, fit(size(item.s), w)));
    svg.append(drawn);
    if (inside) {
      const colour = own === 9 ? null : own;
      layout(item.c, x + GAP, y + STRIP, w - 2 * GAP, h - STRIP - GAP).forEach(([one, ...place], number) => box(svg, path, one, number, colour, ...place));
    }
  }

  function draw(focus = false) {
    const here = trail[trail.length - 1], host = get("map");
    const width = Math.max(280, host.clientWidth), height = Math.round(Math.min(640, Math.max(340, width * 0.55)));
    const svg = element("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `${here.n || "image"}: ${size(here.s)}` });
    layout(here.c || [], 0, 0, width, height).forEach(([item, ...place], index) => box(svg, trail, item, index, null, ...place));
    host.replaceChildren(svg);
    crumbs();
    const name = trail.slice(1).map((item) => item.n).join("/");
    get("hover").textContent = name ? `${name}: ${size(here.s)}, ${share(here.s, data.total)} of the image` : `The whole image: ${size(here.s)} unpacked`;
    const rows = [...(here.c || [])].sort((a, b) => b.s - a.s).map((item) => element("tr", {}, element("th", { scope: "row" }, item.n),
      element("td", { class: "number" }, size(item.s)), element("td", { class: "number" }, share(item.s, data.total))));
    get("map-list").tBodies[0].replaceChildren(...rows);
    if (focus) svg.querySelector("g")?.focus({ preventScroll: true });
  }

  function crumbs() {
    get("crumbs").replaceChildren(...trail.flatMap((item, index) => {
      const last = index === trail.length - 1;
      const button = element("button", { type: "button", onclick: () => { trail = trail.slice(0, index + 1); draw(true); } }, index ? item.n : "image");
      if (last) { button.disabled = true; button.setAttribute("aria-current", "location"); }
      return last ? [button] : [button, element("span", { "aria-hidden": "true" }, "›")];
    }));
  }

  function choose(which) {
    view = which;
    trail = [view === "folder" ? data.folders : data.owners];
    for (const name of ["folder", "package"]) get("by-" + name).setAttribute("aria-pressed", String(name === view));
    draw();
  }

  // ---- packages
  const columns = [["Package", (p) => p.name, ""], ["Version", (p) => p.version, ""], ["Licence", (p) => p.licence, ""],
    ["USE", (p) => p.use, "wide"], ["Size", (p) => p.size, "number"]];
  let sorted = { column: 0, down: false };

  function packages() {
    const wanted = get("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = data.packages.filter((p) => {
      const text = [p.name, p.version, p.licence, p.use, p.description].join(" ").toLowerCase();
      return wanted.every((word) => text.includes(word));
    });
    const key = columns[sorted.column][1];
    rows.sort((a, b) => { const x = key(a), y = key(b); return (x < y ? -1 : x > y ? 1 : 0) * (sorted.down ? -1 : 1); });
    get("packages").tBodies[0].replaceChildren(...rows.map((p) => {
      const web = /^https?:\/\//.test(p.homepage);
      const name = web ? element("a", { href: p.homepage, rel: "noreferrer" }, p.name) : p.name;
      return element("tr", {}, element("th", { scope: "row" }, name, element("small", {}, p.description)), element("td", {}, p.version),
        element("td", {}, p.licence || "none given"), element("td", { class: "wide" }, p.use), element("td", { class: "number" }, size(p.size)));
    }));
    get("count").textContent = `${rows.length} of ${data.packages.length}`;
    get("packages").tHead.replaceChildren(element("tr", {}, ...columns.map(([title, , kind], index) => {
      const cell = element("th", { scope: "col", class: kind }, element("button", { type: "button", onclick: () => {
        sorted = { column: index, down: sorted.column === index ? !sorted.down : kind === "number" };
        packages();
        get("packages").tHead.rows[0].cells[index].querySelector("button").focus();
      } }, title + (sorted.column === index ? (sorted.down ? " ↓" : " ↑") : "")));
      if (sorted.column === index) cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      return cell;
    })));
  }

  function licences() {
    const counts = new Map();
    for (const p of data.packages) counts.set(p.licence || "none given", (counts.get(p.licence || "none given") || 0) + 1);
    get("licences").append(...[...counts].sort((a, b) => b[1] - a[1]).map(([name, count]) => element("li", {}, element("button", { type: "button",
      onclick: () => { get("search").value = name === "none given" ? "" : name; packages(); get("search").focus(); } }, `${name} (${count})`))));
  }

  // ---- times
  function times() {
    if (!data.phases.length) { get("times").append(element("p", {}, "The work folder has no times.")); return; }
    const most = Math.max(...data.phases.map((phase) => phase.seconds), 0.1), total = data.phases.reduce((sum, phase) => sum + phase.seconds, 0);
    const width = Math.max(280, get("times").clientWidth), step = 30, room = width - 190;
    const svg = element("svg:svg", { viewBox: `0 0 ${width} ${step * data.phases.length}`, role: "img",
      "aria-label": data.phases.map((phase) => `${phase.name}: ${time(phase.seconds)}`).join(", ") });
    data.phases.forEach((phase, index) => {
      const y = index * step, length = Math.max(2, room * phase.seconds / most);
      svg.append(element("svg:text", { x: 0, y: y + 19 }, phase.name),
        element("svg:rect", { x: 64, y: y + 5, width: length.toFixed(1), height: step - 10, rx: 4, class: "c" + index }),
        element("svg:text", { x: (72 + length).toFixed(1), y: y + 19 }, time(phase.seconds)));
    });
    get("times").replaceChildren(svg, element("p", { class: "hint" }, `How long each phase took when it last ran; ${time(total)} together.`));
  }

  // ---- changes
  function changes() {
    const diff = data.diff;
    if (!diff) return;
    get("changes").hidden = false;
    const grown = data.image.size - diff.size;
    get("changes-summary").textContent = `Against ${diff.file}: ${diff.packages.length} package changes; the image is ` +
      (grown === 0 ? "as large as before." : `${size(Math.abs(grown))} ${grown > 0 ? "larger" : "smaller"}.`);
    get("changes-packages").tBodies[0].replaceChildren(...diff.packages.map(([name, kind, what]) => element("tr", {}, element("th", { scope: "row" }, name),
      element("td", { class: kind + " kind-of" }, kind), element("td", {}, what))));
    get("changes-folders").tBodies[0].replaceChildren(...diff.folders.map(([name, before, now]) => element("tr", {}, element("th", { scope: "row" }, "/" + name),
      element("td", { class: "number" }, size(before)), element("td", { class: "number" }, size(now)),
      element("td", { class: "number " + (now > before ? "removed" : "added") }, (now > before ? "+" : "") + size(now - before)))));
    for (const name of ["packages", "folders"]) if (!diff[name].length) get("changes-" + name).hidden = true;
  }

  head(); changes(); packages(); licences(); times(); choose("folder");
  get("by-folder").addEventListener("click", () => choose("folder"));
  get("by-package").addEventListener("click", () => choose("package"));
  get("search").addEventListener("input", packages);
  get("map").addEventListener("keydown", (event) => { if (event.key === "Escape" && trail.length > 1) { trail.pop(); draw(true); } });
  let width = window.innerWidth;
  window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; draw(); times(); } });
  document.documentElement.dataset.drawn = "yes";
})();
