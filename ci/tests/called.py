# SPDX-License-Identifier: MIT
"""Which commands do the scripts of ci/ call, and which Debian packages do those come from?"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import tree_sitter
import tree_sitter_bash

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

#: These run the command that is their first argument that is neither an option nor an assignment.
WRAPPERS = {"exec", "command", "env", "nohup", "setsid", "xargs", "builtin", "time"}

#: Python: functions whose first argument is a program or an argument list, and names of argument lists.
RUNNERS = {"run", "Popen", "call", "check_call", "check_output", "which"}
ARGV_NAMES = {"argv", "command", "cmd"}

Call = tuple[str, int, str]  # file, line, command


def scripts(root: Path) -> Iterator[tuple[Path, str]]:
    """Every program text below `root` with its language, "sh" or "python"."""
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.is_symlink() or "__pycache__" in path.parts:
            continue
        with path.open("rb") as file:
            first = file.readline(120).decode(errors="replace")
        if path.suffix == ".py" or re.match(r"#!.*\bpython3?\b", first):
            yield path, "python"
        elif path.suffix == ".sh" or re.match(r"#!.*\b(ba|da)?sh\b", first):
            yield path, "sh"


def nodes(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """`node` and all below it, in order."""
    yield node
    for child in node.children:
        yield from nodes(child)


def text(node: tree_sitter.Node | None) -> str:
    return (node.text or b"").decode() if node else ""


def shell_calls(path: Path) -> tuple[set[str], list[Call]]:
    """(names of functions defined, commands called) of a shell script. ValueError if it can't be read as shell."""
    tree = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language())).parse(path.read_bytes())
    functions: set[str] = set()
    calls: list[Call] = []
    for node in nodes(tree.root_node):
        line = node.start_point[0] + 1
        if node.type == "ERROR" or node.is_missing:
            raise ValueError(f"{path}:{line}: not understood: {text(node)[:60]!r}")
        if node.type == "function_definition":
            functions.add(text(node.child_by_field_name("name")))
        if node.type == "command":
            words = [text(node.child_by_field_name("name")), *map(text, node.children_by_field_name("argument"))]
            while words and words[0] in WRAPPERS:
                calls.append((str(path), line, words[0]))
                words = words[1:]
                while words and (words[0].startswith("-") or "=" in words[0]):
                    words = words[1:]
            if words:
                calls.append((str(path), line, words[0].strip("\"'")))
    return functions, calls


def python_calls(path: Path) -> list[Call]:
    """Programs that a Python file names: first words of argument lists, arguments of shutil.which."""
    calls: list[Call] = []

    def add(node: ast.expr, *, alone: bool) -> None:
        if isinstance(node, ast.List | ast.Tuple) and node.elts:
            node, alone = node.elts[0], True
        if alone and isinstance(node, ast.Constant) and isinstance(node.value, str):
            calls.append((str(path), node.lineno, node.value))

    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Call) and node.args:
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name in RUNNERS:
                add(node.args[0], alone=name == "which")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if node.value and any(getattr(t, "id", "") in ARGV_NAMES for t in targets):
                add(node.value, alone=False)
    return calls


def all_calls(root: Path, *, leave_out: tuple[str, ...] = ()) -> list[Call]:
    """The system's commands that the scripts below `root` call: no builtins, functions, programs in variables."""
    functions = set(query("bash", "-c", "compgen -bk").split())
    calls: list[Call] = []
    for path, language in scripts(root):
        if str(path.relative_to(root)).startswith(leave_out):
            continue
        if language == "sh":
            defined, called = shell_calls(path)
            functions |= defined
            calls += called
        else:
            calls += python_calls(path)
    return [c for c in calls if c[2] not in functions and not c[2].startswith(("$", "./", "{"))]


def query(*argv: str) -> str:
    """Standard output of a dpkg tool, empty when it finds nothing."""
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout


def owner(command: str) -> str | None:
    """The Debian package that a command comes from; None if the command is missing or in no package."""
    found = shutil.which(command, path=PATH)
    if found is None:
        return None
    # An alternative (awk, c++) is a link to the program that answers for it.
    link = os.readlink(found) if Path(found).is_symlink() else ""
    target = os.path.realpath(found) if link.startswith("/etc/alternatives/") else found
    # With a merged /usr dpkg still knows many files by their old path.
    name = Path(target).name
    for candidate in (target, f"/bin/{name}", f"/sbin/{name}", f"/usr/bin/{name}", f"/usr/sbin/{name}"):
        for answer in query("dpkg", "-S", candidate).splitlines():
            if not answer.startswith("diversion by"):
                return answer.split(":")[0].split(",")[0]
    return None


def minimal_system() -> set[str]:
    """Packages of a bare Debian with python3: essential and required ones, apt, python3 and what they depend on."""
    rows = query("dpkg-query", "-W", "-f=${Package} ${Essential} ${Priority}\n").splitlines()
    fields = [row.split() for row in rows]
    required = {f[0] for f in fields if "yes" in f[1:] or "required" in f[1:]}
    return closure(required | {"apt", "python3"})


def closure(packages: set[str]) -> set[str]:
    """`packages` and what they depend on, among the installed ones; of alternatives the first that is installed."""
    depends: dict[str, str] = {}
    for row in query("dpkg-query", "-W", "-f=${Package}\t${Status}\t${Pre-Depends}, ${Depends}\n").splitlines():
        name, status, wanted = row.split("\t")
        if status.endswith(" installed"):
            depends[name] = wanted
    todo, done = list(packages), set(packages)
    while todo:
        for group in depends.get(todo.pop(), "").split(","):
            names = [re.split(r"[\s:(]", option.strip())[0] for option in group.split("|")]
            first = next((n for n in names if n in depends), None)
            if first and first not in done:
                done.add(first)
                todo.append(first)
    return done
