"""Flags, environment, file and defaults become one checked value: the first that names a key decides it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import structs

from proxy.settings.checks import check
from proxy.settings.defaults import complete
from proxy.settings.keys import Key, KeyPath, all_keys
from proxy.settings.otlp import read_otlp
from proxy.settings.shape import Settings
from proxy.settings.sources import (
    Flag,
    Found,
    file_path,
    from_environment,
    from_file,
    from_flags,
    refuse_undecodable,
)
from proxy.settings.unknown import refuse_unknown
from proxy.settings.values import as_path, converted

Tables = dict[str, object]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where they came from."""

    settings: Settings
    origins: Mapping[str, str] = field(default_factory=dict)
    """Dotted key → file and line, variable or flag; a key that is missing has its default."""
    file: Path | None = None


def load(
    flags: tuple[Flag, ...] = (),
    *,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Loaded:
    """The settings of this run. Raises SettingsError.

    `config` is the file that `--config` names; environment and working folder are the process's own unless given.
    """
    environ = os.environ if environ is None else environ
    folder = Path.cwd() if folder is None else folder
    keys = all_keys()
    refuse_undecodable(flags, environ)
    path = file_path(config, environ, folder)
    found = {} if path is None else from_file(path, folder)
    found |= from_environment(environ, keys, found, folder)
    found |= from_flags(flags, found, folder)
    origins = {".".join(place): given.where for place, given in found.items()}
    settings = msgspec.convert(complete(_tables(found, keys), origins), Settings, dec_hook=as_path)
    telemetry = structs.replace(settings.telemetry, otlp=read_otlp(environ))
    settings = structs.replace(settings, telemetry=telemetry)
    check(settings, origins)
    return Loaded(settings, origins, path)


def _tables(found: Found, keys: tuple[Key, ...]) -> Tables:
    tables: Tables = {}
    for path, given in found.items():
        refuse_unknown(path, given.value, given.where, keys)
        key = next((key for key in keys if key.fits(path)), None)
        if key is None:
            _inside(tables, path)
        else:
            _inside(tables, path[:-1])[path[-1]] = converted(given, key, ".".join(path))
    return tables


def _inside(tables: Tables, path: KeyPath) -> Tables:
    for name in path:
        inner = tables.setdefault(name, {})
        if isinstance(inner, dict):
            tables = inner
    return tables
