"""`config`: what the settings are, whether they are right, what they may be."""

from __future__ import annotations

import json
from pathlib import Path

import click

from proxy.cli.options import inspector_options, log_option, relay_options, settings_of, with_options
from proxy.settings.describe import schema as settings_schema
from proxy.settings.describe import show as shown


@click.group()
def config() -> None:
    """Show and check settings."""


@config.command(short_help="Print every setting and where its value came from.")
@with_options(*relay_options, *inspector_options, log_option)
def show(config: Path | None, **given: str | int | None) -> None:
    """Print every setting and where its value came from; secrets are masked."""
    click.echo(shown(settings_of(config, given)))


@config.command()
@with_options(*relay_options, *inspector_options, log_option)
def check(config: Path | None, **given: str | int | None) -> None:
    """Say whether the settings are right, without starting anything."""
    from proxy.settings.certificates import refuse_unusable

    loaded = settings_of(config, given)
    refuse_unusable(loaded.settings.telemetry.otlp)
    click.echo(f"the settings are right ({loaded.file or 'no file'})")


@config.command()
def schema() -> None:
    """Print the JSON Schema of the settings file, for editors."""
    click.echo(json.dumps(settings_schema(), indent=2, ensure_ascii=False))
