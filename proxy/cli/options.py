"""The options that commands share, and the settings they give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from proxy.settings.load import Loaded, load
from proxy.settings.sources import Flag

Function = Callable[..., object]
Option = Callable[[Function], Function]

_KEYS = {
    "data": "data",
    "listen": "relay.listen",
    "port": "port",
    "inspector": "inspector.listen",
    "upstream": "upstream",
    "workers": "relay.workers",
    "log_format": "log.format",
}
"""Parameter → key of the flag, in the order in which they count: a later one changes what an earlier one gave."""

config_option: Option = click.option(
    "--config", type=click.Path(readable=False, path_type=Path), help="Settings file (TOML)."
)
data_option: Option = click.option("--data", metavar="FOLDER", help="Data folder: the ledger and the API token.")
log_option: Option = click.option("--log-format", metavar="auto|text|json", help="Lines on the console.")
relay_options: tuple[Option, ...] = (
    click.option("--listen", metavar="HOST:PORT", help="Address for clients."),
    click.option("-p", "--port", type=click.IntRange(0, 65535), help="Port for clients; 0 takes a free one."),
    click.option("--workers", type=click.IntRange(1, 64), help="Relay processes that share the port."),
    click.option("--upstream", metavar="URL", help="Where requests are forwarded to."),
)
inspector_options: tuple[Option, ...] = (
    click.option("--inspector", metavar="HOST:PORT", help="Address of pages, API and /metrics."),
)


def with_options(*options: Option) -> Option:
    """Adds options to a command, in the order given, after `--config` and `--data`."""

    def add(command: Function) -> Function:
        for option in reversed((config_option, data_option, *options)):
            command = option(command)
        return command

    return add


def settings_of(config: Path | None, given: dict[str, str | int | None]) -> Loaded:
    """The settings of a command with these parameters. Raises SettingsError."""
    flags = tuple(
        Flag(f"--{name.replace('_', '-')}", key, value)
        for name, key in _KEYS.items()
        if (value := given.get(name)) is not None
    )
    return load(flags, config=config)
