# SPDX-License-Identifier: MIT
"""Help texts: the options in groups, so that a page reads from the most asked for to the least."""

from __future__ import annotations

import click
from typer.core import TyperCommand, TyperGroup

#: Title -> options, by their parameters' names. What is in no group is a command's own, and comes first.
GROUPS = {
    "What is built": ("directory", "arch", "variant", "compression", "devel"),
    "How it is built": ("only", "parallel", "deep_depclean", "break_circular_deps"),
    "Where the inputs come from": ("mirror", "overlay_override", "keyring", "no_verify", "offline", "locked"),
    "Binary packages": ("binhost", "getbinpkg", "independent_binpkgs"),
    "Where the results go": ("work_dir", "output_dir"),
    "Output": ("json", "debug", "version", "help"),
}


def _format(command: click.Command, context: click.Context, formatter: click.HelpFormatter) -> None:
    params = command.get_params(context)
    grouped = {name for names in GROUPS.values() for name in names}
    sections: dict[str, list[click.Parameter]] = {
        "Arguments": [param for param in params if isinstance(param, click.Argument)],
        "Options": [p for p in params if not isinstance(p, click.Argument) and p.name not in grouped],
    }
    for title, names in GROUPS.items():
        order = {name: index for index, name in enumerate(names)}
        found = [param for param in params if param.name in order and not isinstance(param, click.Argument)]
        sections[title] = sorted(found, key=lambda param: order[param.name or ""])
    for title, members in sections.items():
        records = [record for param in members if (record := param.get_help_record(context))]
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


class Command(TyperCommand):
    """A command whose help shows its options in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _format(self, ctx, formatter)


class Group(TyperGroup):
    """The same for genpack itself: the commands come first."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(limit=200)) for name, each in self.commands.items()])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        _format(self, ctx, formatter)
