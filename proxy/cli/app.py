"""The group of commands: `serve` when none is named, loaded one by one, every known error one sentence."""

from __future__ import annotations

import importlib
import sys

import click

from proxy.ledger.errors import LedgerError
from proxy.settings.errors import SettingsError

COMMANDS = {
    "serve": "running",
    "relay": "running",
    "observe": "running",
    "demo": "running",
    "child": "running",
    "doctor": "doctor",
    "export": "export",
    "purge": "purge",
    "reprice": "reprice",
    "verify": "ledger",
    "telemetry": "ledger",
    "config": "config",
    "completion": "completion",
}
"""Command → module of this folder that has it under its own name."""

DEFAULT = "serve"


class Commands(click.Group):
    """Finds commands by the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the module of one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"proxy.cli.{COMMANDS[cmd_name]}"), cmd_name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Options without a command are those of the default command."""
        bare = not args or (args[0].startswith("-") and args[0] not in ("-h", "--help", "--version"))
        if bare and not ctx.resilient_parsing:
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Known errors end the process with their sentence."""
        try:
            result: object = super().invoke(ctx)
        except (SettingsError, LedgerError) as error:
            click.echo(f"anthropic-proxy: {error}", err=True)
            sys.exit(2)
        return result


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    help="Show the version.",
    callback=lambda ctx, _, wanted: _show_version(ctx) if wanted else None,
)
def app() -> None:
    """Relay Claude API calls, record them, and show what went through.

    Set ANTHROPIC_BASE_URL to the printed address; open the printed link to look.
    """


def _show_version(ctx: click.Context) -> None:
    from proxy.version import version

    click.echo(f"anthropic-proxy {version()}")
    ctx.exit()
