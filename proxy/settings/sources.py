"""What file, environment and flags give, each value with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from proxy.settings import file, variables
from proxy.settings.addresses import Address, parse
from proxy.settings.errors import SettingsError
from proxy.settings.keys import PREFIX, Key, KeyPath
from proxy.settings.otlp import METRIC_INTERVAL, read_metric_interval
from proxy.settings.shape import Relay
from proxy.settings.values import Given

Found = dict[KeyPath, Given]

_NAMED_TABLES = ("upstreams", "endpoints")


@dataclass(frozen=True, slots=True)
class Flag:
    """A value from the command line."""

    name: str
    """As it was typed: `--listen`."""
    key: str
    """The setting it gives, `relay.listen`; or `port` (the relay's), or `upstream` (the URL of the only upstream)."""
    value: str | int


def refuse_undecodable(flags: tuple[Flag, ...], environ: Mapping[str, str]) -> None:
    """Raises SettingsError for the first flag or variable of ours whose bytes are no text."""
    ours = ((name, value) for name, value in environ.items() if name.startswith((PREFIX, "OTEL_")))
    for where, value in (*((flag.name, str(flag.value)) for flag in flags), *ours):
        if any("\ud800" <= each <= "\udfff" for each in value):
            raise SettingsError("is not UTF-8 text; write it as UTF-8", where=where)


def file_path(named: Path | None, environ: Mapping[str, str], folder: Path) -> Path | None:
    """The file to read: the one named, else by variable, else the one in the working folder if it is there."""
    chosen = named or (Path(environ[variables.CONFIG]) if environ.get(variables.CONFIG) else None)
    if chosen is not None:
        return chosen
    usual = folder / file.DEFAULT_NAME
    return Path(file.DEFAULT_NAME) if usual.exists() else None


def from_file(path: Path, folder: Path) -> Found:
    """Every value of the file; an empty table counts as one. Raises SettingsError."""
    whole = folder / _expanded(path)
    text = file.read(whole, shown=path)
    tables = file.parse(text, path)
    lines = file.lines(text)
    return {
        place: Given(value, f"{path}:{lines[place]}" if place in lines else str(path), whole.parent)
        for place, value in _leaves(tables, ())
    }


def from_environment(environ: Mapping[str, str], keys: tuple[Key, ...], found: Found, folder: Path) -> Found:
    """Every value of our own variables and of the standard ones that give a setting. Raises SettingsError."""
    given: Found = {}
    if environ.get("NO_COLOR"):
        given["log", "color"] = Given(False, "NO_COLOR", folder)
    interval = read_metric_interval(environ)
    if interval is not None:
        given["telemetry", "metric_interval"] = Given(interval, METRIC_INTERVAL, folder)
    names = {table: _names(found, table) for table in _NAMED_TABLES}
    for variable, place in variables.given(environ, keys, names).items():
        given[place] = Given(environ[variable], variable, folder, textual=True)
    return given


def from_flags(flags: tuple[Flag, ...], found: Found, folder: Path) -> Found:
    """Every value of the command line. Raises SettingsError."""
    given: Found = {}
    for flag in flags:
        match flag.key:
            case "port":
                place: KeyPath = ("relay", "listen")
                value: str | int = _with_port(found | given, int(flag.value))
            case "upstream":
                place, value = ("upstreams", _only_upstream(found, flag.name), "url"), flag.value
            case key:
                place, value = tuple(key.split(".")), flag.value
        given[place] = Given(value, flag.name, folder, textual=True)
    return given


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise SettingsError("names the home of a user that does not exist", where=str(path)) from error


def _leaves(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, object]]:
    if isinstance(value, dict) and (value or not path):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    else:
        yield path, value


def _names(found: Found, table: str) -> frozenset[str]:
    return frozenset(path[1] for path in found if path[0] == table and len(path) > 1)


def _with_port(found: Found, port: int) -> str:
    """The relay's address with another port; what is no address is left for the check to name."""
    given = found.get(("relay", "listen"))
    listen = Relay().listen if given is None else str(given.value)
    address = parse(listen)
    return listen if address is None else str(Address(address.host, port))


def _only_upstream(found: Found, flag: str) -> str:
    names = sorted(_names(found, "upstreams"))
    if len(names) > 1:
        raise SettingsError(f"there are several upstreams ({', '.join(names)}); set the url of one of them", where=flag)
    return names[0] if names else "anthropic"
