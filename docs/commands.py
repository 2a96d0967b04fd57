"""The commands and their options, read off the command line itself."""

from __future__ import annotations

from collections.abc import Iterator

import click

from docs.regions import code, table
from proxy.cli.app import app


def commands() -> str:
    """One section for every command that a person types."""
    return "\n\n".join(_sections(click.Context(app, info_name="anthropic-proxy"), app))


def _sections(context: click.Context, group: click.Group) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        below = click.Context(command, info_name=name, parent=context)
        yield _section(below, command)
        if isinstance(command, click.Group):
            yield from _sections(below, command)


def _section(context: click.Context, command: click.Command) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"### `{context.command_path}`", f"`{usage}`", command.help or ""]
    options = [option for option in command.params if isinstance(option, click.Option)]
    if options:
        parts.append(table(("Option", "Meaning"), (_option(context, option) for option in options)))
    return "\n\n".join(part.strip() for part in parts)


def _option(context: click.Context, option: click.Option) -> tuple[str, str]:
    value = "" if option.is_flag else f" {_value(context, option)}"
    required = " Required." if option.required else ""
    return ", ".join(code(name + value) for name in option.opts), f"{option.help or ''}{required}"


def _value(context: click.Context, option: click.Option) -> str:
    return "NUMBER" if isinstance(option.type, click.IntRange) else option.make_metavar(context)
