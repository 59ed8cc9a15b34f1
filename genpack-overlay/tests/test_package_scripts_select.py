# SPDX-License-Identifier: MIT
"""Package scripts that select a version or set defaults, run twice in a merged tree. eselect is always a stand-in."""

from __future__ import annotations

import configparser
import os
import subprocess
from pathlib import Path

import pytest
from merged_tree import MergedTree

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="overlayfs and other owners need root")


@pytest.fixture
def tree(tmp_path: Path) -> MergedTree:
    return MergedTree(tmp_path)


def calls(upper: Path) -> list[str]:
    """What the stand-ins were asked, by both runs; none of the questions."""
    lines = (upper / "var/calls").read_text().splitlines()
    return [line for line in lines[: len(lines) // 2] if " show" not in line]


OPTIONS = 'APACHE2_OPTS="-D DEFAULT_VHOST -D INFO -D SSL -D SSL_DEFAULT_VHOST"\n'


def apache(tree: MergedTree, *modules: str) -> None:
    tree.file("etc/conf.d/apache2", "# options\n" + OPTIONS + 'OTHER="x"\n')
    for module in modules:
        tree.file(f"usr/lib64/apache2/modules/mod_{module}.so")


@pytest.mark.parametrize(("modules", "defines"), [
    (("proxy", "dav_fs", "ssl"), " -D PROXY -D DAV"), (("proxy",), " -D PROXY"), (("dir",), None),
])
def test_apache_defines_what_was_built(tree: MergedTree, modules: tuple[str, ...], defines: str | None) -> None:
    apache(tree, *modules)
    tree.file("var/www/localhost/htdocs/index.html", "It works!")
    upper = tree.run("www-servers/apache/10-apache")
    if defines:
        assert (upper / "etc/conf.d/apache2").read_text() == (
            "# options\n" + OPTIONS.replace('T"', f'T{defines}"') + 'OTHER="x"\n')
    else:
        assert not (upper / "etc/conf.d").exists()
    assert (upper / "var/www/localhost/htdocs/index.html").read_text() == "It works!"
    assert (upper / "usr/lib/systemd/system/apache2-certificate.service").exists() is ("ssl" in modules)


def test_apache_has_no_key_and_its_unit_makes_one(tree: MergedTree, tmp_path: Path) -> None:
    apache(tree, "ssl")
    tree.file("etc/ssl/apache2/server.key", "made when the package was installed")
    upper = tree.run("www-servers/apache/10-apache")
    assert not (upper / "etc/ssl").exists()
    units = upper / "usr/lib/systemd/system"
    assert "Wants=apache2-certificate.service" in (units / "apache2.service.d/10-certificate.conf").read_text()
    text = (units / "apache2-certificate.service").read_text()
    assert "ConditionPathExists=!/etc/ssl/apache2/server.crt" in text
    for line in text.splitlines():  # as systemd would, in another place
        if line.startswith("ExecStart="):
            command = line.removeprefix("ExecStart=").replace("/etc/ssl", f"{tmp_path}/ssl").replace("%l", "host")
            subprocess.run(command.split(), check=True, capture_output=True, timeout=240)
    subject = subprocess.run(["openssl", "x509", "-noout", "-subject", "-in", tmp_path / "ssl/apache2/server.crt"],
                             check=True, capture_output=True, text=True).stdout
    assert "host" in subject and (tmp_path / "ssl/apache2/server.key").read_text().startswith("-----BEGIN")


@pytest.mark.parametrize(("selected", "chosen"), [("php8.2", "php8.2"), ("", "php8.3")])
def test_php(tree: MergedTree, selected: str, chosen: str) -> None:
    apache(tree)
    for slot in ("php8.2", "php8.3"):
        for name in ("bin/php", "bin/php-fpm", "apache2/libphp.so"):
            tree.file(f"usr/lib64/{slot}/{name}")
    tree.link("usr/bin/php", f"../lib64/{chosen}/bin/php")
    tree.link("usr/lib64/apache2/modules/mod_php.so", f"../../{chosen}/apache2/libphp.so")
    tree.file("var/lib/eselect-php/mod_php.conf", "LoadModule")
    tree.stand_in("eselect", f'[ "$2" != show ] || echo {selected}')
    upper = tree.run("dev-lang/php/10-select", "dev-lang/php-8.3.20-r1")
    assert calls(upper) == [f"eselect php set {kind} {chosen}" for kind in ("cli", "fpm", "apache2")]
    assert os.readlink(upper / "usr/bin/php") == f"../lib64/{chosen}/bin/php"
    assert (upper / "usr/lib64/apache2/modules/mod_php.so").is_symlink()
    assert (upper / "var/lib/eselect-php/mod_php.conf").read_text() == "LoadModule"
    assert (upper / "etc/conf.d/apache2").read_text().count(' -D PHP"') == 1


def test_php_without_apache(tree: MergedTree) -> None:
    tree.file("usr/lib64/php8.3/bin/php")
    tree.stand_in("eselect")
    upper = tree.run("dev-lang/php/10-select", "dev-lang/php-8.3.20")
    assert calls(upper) == ["eselect php set cli php8.3"] and not (upper / "etc/conf.d").exists()


@pytest.mark.parametrize(("script", "cpv", "show", "kept", "left", "call"), [
    ("dev-lang/ruby/10-select", "dev-lang/ruby-3.3.8", "Current Ruby version:\n  ruby32 (with Rubygems)",
     {"usr/bin/ruby": "ruby32", "usr/bin/gem": "gem32"}, "usr/bin/rake", "ruby set ruby32"),
    ("dev-lang/ruby/10-select", "dev-lang/ruby-3.3.8", "(unset)", {"usr/bin/ruby": "ruby33"}, "usr/bin/x",
     "ruby set ruby33"),
    ("sys-devel/gcc/10-select", "sys-devel/gcc-14.3.0", "x86_64-pc-linux-gnu-14",
     {"usr/bin/gcc": "/usr/x86_64-pc-linux-gnu/gcc-bin/14/gcc"}, "usr/bin/make", "gcc set x86_64-pc-linux-gnu-14"),
    ("sys-devel/binutils/10-select", "sys-devel/binutils-2.44", "x86_64-pc-linux-gnu-2.44", {
        "usr/bin/x-ld": "../x86_64-pc-linux-gnu/binutils-bin/2.44/ld", "usr/bin/ld": "x-ld",
        "usr/x86_64-pc-linux-gnu/bin/ld": "../binutils-bin/2.44/ld",
    }, "usr/bin/make", "binutils set x86_64-pc-linux-gnu-2.44"),
])
def test_selected_version_is_in_the_image(
        tree: MergedTree, script: str, cpv: str, show: str, kept: dict[str, str], left: str, call: str) -> None:
    for name in ("gcc-bin/14/gcc", "binutils-bin/2.44/ld"):
        tree.file(f"usr/x86_64-pc-linux-gnu/{name}")
    for name, target in {**kept, left: "elsewhere"}.items():
        tree.link(name, target)
    for name in ("gcc/config-x", "04gcc-x", "binutils/config-x", "05binutils"):
        tree.file(f"etc/env.d/{name}", name)
    tree.stand_in("eselect", f"[ \"$2\" != show ] || echo '{show}'")
    upper = tree.run(script, cpv)
    assert calls(upper) == [f"eselect {call}"]
    assert {name: os.readlink(upper / name) for name in kept} == kept
    assert not (upper / left).is_symlink()
    environment = {path.name for path in (upper / "etc").rglob("*") if path.is_file()}
    assert environment == ({"config-x", "04gcc-x"} if "gcc" in script else
                           {"config-x", "05binutils"} if "binutils" in script else set())


@pytest.mark.parametrize("selected", ["openjdk-bin-17", None])
def test_java(tree: MergedTree, selected: str | None) -> None:
    for name in ("openjdk-bin-17", "openjdk-bin-21"):
        tree.file(f"opt/{name}/bin/java")
        tree.file(f"usr/lib/jvm/{name}/bin/java")
    if selected:
        tree.link("etc/java-config-2/current-system-vm", f"/usr/lib/jvm/{selected}")
    upper = tree.run("virtual/jdk/10-select", "virtual/jdk-21-r1")
    chosen = selected or "openjdk-bin-21"
    assert os.readlink(upper / "etc/java-config-2/current-system-vm") == f"/usr/lib/jvm/{chosen}"
    assert os.readlink(upper / "usr/lib/jvm/jdk") == chosen


def test_java_that_is_missing(tree: MergedTree) -> None:
    tree.file("usr/lib/jvm/openjdk-bin-17/bin/java")
    assert "has no Java of this version" in tree.fails("virtual/jdk/10-select", "virtual/jdk-21")


@pytest.mark.parametrize("selected", [True, False])
def test_iptables(tree: MergedTree, *, selected: bool) -> None:
    tree.file("usr/sbin/xtables-legacy-multi")
    tree.link("usr/sbin/iptables-save", "xtables-legacy-multi")
    tree.stand_in("eselect", f'[ "$2" != show ] || exit {0 if selected else 1}')
    upper = tree.run("net-firewall/iptables/10-select")
    assert calls(upper) == ([] if selected else ["eselect iptables set xtables-legacy-multi"])
    assert os.readlink(upper / "usr/sbin/iptables-save") == "xtables-legacy-multi"


@pytest.mark.parametrize("folder", ["usr/lib", "etc"])
def test_polkit_takes_no_empty_password(tree: MergedTree, folder: str) -> None:
    if folder == "etc":
        tree.hide("usr/lib/pam.d/polkit-1")
    tree.file(f"{folder}/pam.d/polkit-1",
              "#%PAM-1.0\n\nauth       include      system-auth\naccount include system-auth\n")
    lines = (tree.run("sys-auth/polkit/10-password") / folder / "pam.d/polkit-1").read_text().splitlines()
    assert lines[2:4] == ["auth required pam_unix.so try_first_pass", "auth       include      system-auth"]
    assert len(lines) == 5


LOGIN = """auth       required     pam_nologin.so
auth       include      system-local-login
account    include      system-local-login
"""
ASK = "auth sufficient pam_exec.so expose_authtok quiet /usr/bin/console-passwd --check"


def test_login_asks_console_passwd(tree: MergedTree) -> None:
    tree.file("usr/bin/console-passwd", mode=0o755)
    tree.file("etc/pam.d/login", LOGIN)
    lines = (tree.run("sys-auth/pambase/10-console_passwd") / "etc/pam.d/login").read_text().splitlines()
    first, *others = LOGIN.splitlines()
    assert lines == [first, ASK, *others]


def test_login_without_console_passwd_stays(tree: MergedTree) -> None:
    tree.hide("usr/bin/console-passwd")
    tree.file("etc/pam.d/login", LOGIN)
    assert not (tree.run("sys-auth/pambase/10-console_passwd") / "etc/pam.d/login").exists()


def test_login_with_another_stack_is_an_error(tree: MergedTree) -> None:
    tree.file("usr/bin/console-passwd", mode=0o755)
    tree.file("etc/pam.d/login", "auth required pam_permit.so\n")
    assert "has no line" in tree.fails("sys-auth/pambase/10-console_passwd", "sys-auth/pambase-20240128")


def test_polkit_with_another_stack_is_an_error(tree: MergedTree) -> None:
    tree.file("usr/lib/pam.d/polkit-1", "auth required pam_permit.so\n")
    assert "has no line" in tree.fails("sys-auth/polkit/10-password", "sys-auth/polkit-126")


@pytest.mark.parametrize("folder", ["usr/share/fontconfig/conf.avail", "etc/fonts/conf.avail"])
def test_noto_cjk(tree: MergedTree, folder: str) -> None:
    tree.file(f"{folder}/70-noto-cjk.conf")
    upper = tree.run("media-fonts/noto-cjk/10-fontconfig")
    assert os.readlink(upper / "etc/fonts/conf.d/70-noto-cjk.conf") == f"/{folder}/70-noto-cjk.conf"


def test_gnome_has_sound_for_every_user(tree: MergedTree) -> None:
    for unit in ("pipewire.socket", "pipewire-pulse.socket"):
        tree.unit(unit, "WantedBy=sockets.target", "user")
    tree.unit("wireplumber.service", "WantedBy=pipewire.service", "user")
    upper = tree.run("gnome-base/gnome/10-pipewire")
    links = {path.relative_to(upper / "etc/systemd/user").as_posix()
             for path in (upper / "etc/systemd/user").rglob("*") if path.is_symlink()}
    assert links == {"sockets.target.wants/pipewire.socket", "sockets.target.wants/pipewire-pulse.socket",
                     "pipewire.service.wants/wireplumber.service"}


def test_vim(tree: MergedTree) -> None:
    tree.file("usr/bin/vim", "vim")
    tree.link("usr/bin/vi", "vim")
    tree.link("usr/bin/view", "vim")
    upper = tree.run("app-editors/vim/10-vi")
    assert os.readlink(upper / "usr/bin/vi") == os.readlink(upper / "usr/bin/view") == "vim"


def test_zabbix_reads_the_journal(tree: MergedTree) -> None:
    upper = tree.run("acct-user/zabbix/10-journal")
    assert "systemd-journal:x:190:zabbix\n" in (upper / "etc/group").read_text()
    assert not [path.name for path in (upper / "etc").iterdir() if path.name.endswith("-") or path.name == ".pwd.lock"]


@pytest.mark.parametrize("tuigreet", [True, False])
def test_greetd(tree: MergedTree, *, tuigreet: bool) -> None:
    tree.unit("greetd.service", "Alias=display-manager.service")
    tree.file("etc/greetd/config.toml", "[terminal]\nvt = 1\n")
    if tuigreet:
        tree.stand_in("tuigreet")
    upper = tree.run("gui-libs/greetd/10-greeter")
    assert (upper / "etc/systemd/system/display-manager.service").is_symlink()
    assert os.readlink(upper / "usr/lib/systemd/system/multi-user.target.wants/greetd.service") == "../greetd.service"
    assert (upper / "etc/greetd").exists() is tuigreet
    if tuigreet:
        config = configparser.ConfigParser()
        config.read(upper / "etc/greetd/config.toml")
        assert config["default_session"]["user"] == '"greetd"' and config["terminal"]["vt"] == "7"


NAUTILUS = "org.gnome.Nautilus"


def test_weston_has_launchers_for_the_programs_of_the_image(tree: MergedTree) -> None:
    for name in ("gimp", "nautilus", "vlc", "inkscape", "seahorse"):
        tree.file(f"usr/bin/{name}", "", 0o755)
    tree.file(".genpack/packages", "".join(f"{name}[0]\n# USE: x\n\n" for name in (
        "app-crypt/seahorse", "gnome-base/nautilus", "media-gfx/gimp", "media-gfx/gimp-help", "media-sound/rhythmbox",
        "media-video/vlc")))  # not Inkscape; and Rhythmbox without its program
    icons = "usr/share/icons/hicolor"
    for name in ("24x24/apps/gimp.png", "scalable/apps/org.gnome.Nautilus.svg", "48x48/apps/vlc.png"):
        tree.file(f"{icons}/{name}")
    # Stand-ins of the image tools make the file they are told to.
    tree.stand_in("rsvg-convert", 'echo small > "$6"')
    tree.stand_in("vipsthumbnail", 'echo small > "$5"')
    upper = tree.run("genpack/weston/50-launchers")
    text = (upper / "etc/skel/.config/weston.ini").read_text()
    assert [line for line in text.splitlines() if line] == [
        line for icon, program in (
            ("/usr/share/weston/icon_terminal.png", "weston-terminal"),
            (f"/{icons}/24x24/apps/org.gnome.Nautilus.png", "nautilus"),
            (f"/{icons}/24x24/apps/gimp.png", "gimp"),
            (f"/{icons}/24x24/apps/vlc.png", "vlc"),
            ("/usr/share/weston/icon_window.png", "seahorse"),
        ) for line in ("[launcher]", f"icon={icon}", f"path=/usr/bin/{program}")]
    for name in ("org.gnome.Nautilus", "vlc"):
        assert (upper / icons / f"24x24/apps/{name}.png").read_text() == "small\n"
    assert (upper / "var/calls").read_text().splitlines() == [  # none by the second run
        f"rsvg-convert -w 24 -h 24 -o /{icons}/24x24/apps/{NAUTILUS}.png /{icons}/scalable/apps/{NAUTILUS}.svg",
        f"vipsthumbnail /{icons}/48x48/apps/vlc.png -s 24x24 -o /{icons}/24x24/apps/vlc.png"]


@pytest.mark.parametrize("given", [True, False])
def test_systemimg(tree: MergedTree, *, given: bool) -> None:
    if given:
        tree.file("etc/vconsole.conf", "KEYMAP=jp106\n")
    upper = tree.run("genpack/systemimg/10-defaults")
    assert (upper / "etc/hostname").read_text() == "my-image\n"
    if given:
        assert not (upper / "etc/vconsole.conf").exists()
    else:
        assert (upper / "etc/vconsole.conf").read_text() == "KEYMAP=us\n"
