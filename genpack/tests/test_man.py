# SPDX-License-Identifier: MIT
"""The man pages tell the truth: options, commands, environment variables, keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer
from conftest import Reading, Run
from genpack.keys import KEYS, STRUCTURE

from genpack import cli, help, options

MAN = Path(__file__).resolve().parents[1] / "man"
#: Without an option: where the cache is.
OTHER_VARIABLES = {"GENPACK_CACHE_DIR"}


def page(name: str) -> str:
    """The text of a man page, without its escapes."""
    text = (MAN / name).read_text()
    for escape, plain in (("\\-", "-"), ("\\&", ""), ("\\e", "\\"), ("\\ ", " ")):
        text = text.replace(escape, plain)
    return re.sub(r"\\f[RBIP]", "", text)


def section(text: str, title: str) -> str:
    """What stands below `.SH title`."""
    found = re.search(rf"^\.SH \"?{re.escape(title)}\"?$(.*?)(?=^\.SH |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def tags(text: str) -> set[str]:
    """Options that are explained: those in the tag lines after .TP."""
    lines = re.findall(r"^\.TP\n(.*)$", text, re.MULTILINE)
    return {word for line in lines for word in re.findall(r"(?<![\w-])--?[a-zA-Z][a-z-]*", line)}


def shown(help_text: str) -> set[str]:
    """Options that a help text lists."""
    lines = re.findall(r"^  (-.*?)(?:  |$)", help_text, re.MULTILINE)
    return {word for line in lines for word in re.findall(r"(?<![\w-])--?[a-zA-Z][a-z-]*", line)}


def commands() -> dict[str, str]:
    """Command -> its part of the man page; the heading's words come first."""
    text = section(page("genpack.1"), "COMMANDS")
    parts = re.findall(r"^\.SS ([^\n]*)$(.*?)(?=^\.SS |\Z)", text, re.MULTILINE | re.DOTALL)
    return {heading.strip('"').split()[0]: heading.strip('"') + body for heading, body in parts}


def test_commands_are_those_of_help(genpack: Run) -> None:
    listed = section_of_help(genpack("--help")[1], "Commands")
    assert set(re.findall(r"^  ([a-z-]+)", listed, re.MULTILINE)) == set(commands())


def section_of_help(text: str, title: str) -> str:
    return re.split(r"^\S.*:$", text.split(f"\n{title}:\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def test_the_common_options_are_those_of_help(genpack: Run) -> None:
    assert tags(section(page("genpack.1"), "OPTIONS")) == shown(genpack("--help")[1])


@pytest.mark.parametrize("name", sorted(commands()))
def test_the_options_and_arguments_of_a_command(genpack: Run, name: str) -> None:
    """A command's own options are in its part of the page, the others among the common ones; both directions."""
    status, text, _ = genpack(name, "--help")
    assert status == 0
    common = tags(section(page("genpack.1"), "OPTIONS"))
    explained = tags(commands()[name])
    assert explained & common == set()
    assert shown(text) == explained | (common - {"--version"})
    usage = re.search(rf"^Usage: genpack {name} \[OPTIONS\](.*)$", text, re.MULTILINE)
    assert usage, text
    heading = commands()[name].splitlines()[0]
    assert heading.split()[1:] == usage[1].split()


def test_every_option_has_its_environment_variable(genpack: Run) -> None:
    text = section(page("genpack.1"), "OPTIONS")
    for name, (_, flags, _, _) in options.OPTIONS.items():
        variable = options.environment_name(name)
        (entry,) = [part for part in text.split(".TP\n") if flags[0] in tags(f".TP\n{part}")]
        assert re.search(rf"\b{variable}\b", entry), name
        assert f"[env:\n{variable}]" in re.sub(r"\s+", "\n", genpack("--help")[1]), name
    variables = {options.environment_name(name) for name in options.OPTIONS} | OTHER_VARIABLES
    assert variables == set(re.findall(r"GENPACK_[A-Z_]+", page("genpack.1")))


def test_help_shows_the_options_in_groups(genpack: Run) -> None:
    text = genpack("--help")[1]
    for title, names in help.GROUPS.items():
        present = [options.OPTIONS[name][1][0] for name in names if name in options.OPTIONS]
        if present:
            part = section_of_help(text, title)
            found = [flag for flag in re.findall(r"^  (--?[a-zA-Z-]+)", part, re.MULTILINE) if flag in present]
            assert found == present


def test_every_command_says_what_it_does() -> None:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, click.Group)
    for name, command in group.commands.items():
        assert command.help, name
        assert len(command.get_short_help_str(limit=300)) > 20, name


def entries() -> Iterator[tuple[str, str, str]]:
    """(key, marks, text) of each key in genpack.json5(5)."""
    text = section(page("genpack.json5.5"), "KEYS")
    for part in text.split(".TP\n")[1:]:
        tag, _, body = part.partition("\n")
        found = re.fullmatch(r'\.BR? ([a-z_]+)(?: "? ?([()mv]*)"?)?', tag)
        assert found, tag
        yield found[1], found[2] or "", re.split(r"^\.P$", body, maxsplit=1, flags=re.MULTILINE)[0]


def test_the_keys_are_those_of_the_table() -> None:
    assert [name for name, _, _ in entries()] == [*KEYS, *STRUCTURE]


@pytest.mark.parametrize(("name", "marks", "text"), list(entries()), ids=[name for name, _, _ in entries()])
def test_a_key_s_entry(read: Reading, name: str, marks: str, text: str) -> None:
    kind, default, merged, rest = text.split("\n", 3)
    if name in KEYS:
        key = KEYS[name]
        assert marks == key.marks
        assert (kind, default) == (f"Type: {key.shape.words}.", f"Default: {key.default}.")
        assert merged == f"Merge: {key.merge}."
    else:
        assert (kind, marks) == (f"Type: {STRUCTURE[name][0]}.", STRUCTURE[name][1])
    (example,) = re.findall(r"^\.EX\n(.*?)^\.EE$", rest, re.MULTILINE | re.DOTALL)
    assert example.startswith(f"{name}:")
    source, problems = read(f"{{{example}}}")
    assert problems.found == problems.notes == []
    assert source.base != read("{}")[0].base or name in STRUCTURE


def test_the_page_s_example_is_a_definition(read: Reading) -> None:
    (example,) = re.findall(
        r"^\.nf\n(.*?)^\.fi$", section(page("genpack.json5.5"), "EXAMPLE"), re.MULTILINE | re.DOTALL
    )
    assert read(example)[1].found == []
