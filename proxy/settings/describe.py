"""Settings for people and editors: `config show` and the JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from proxy.settings.keys import Key, KeyPath, all_keys
from proxy.settings.load import Loaded
from proxy.settings.otlp import Exporter, Otlp
from proxy.settings.shape import WITH_UNIT, Settings
from proxy.settings.units import duration_text, size_text

MASK = "***"

_COLUMN = 44


def show(loaded: Loaded) -> str:
    """Every value as a settings file would hold it, with where it came from; secrets masked."""
    tables: dict[KeyPath, list[str]] = {}
    values = msgspec.to_builtins(loaded.settings, enc_hook=str)
    for key in all_keys():
        for path, value in _found(values, key.path, ()):
            origin = loaded.origins.get(".".join(path), "default")
            tables.setdefault(path[:-1], []).append(f"{_assignment(path[-1], value, key):<{_COLUMN}} # {origin}")
    blocks = ["\n".join([f"[{'.'.join(table)}]"] * bool(table) + lines) for table, lines in tables.items()]
    return "\n\n".join([*blocks, "\n".join(_telemetry(loaded.settings.telemetry.otlp))])


def schema() -> dict[str, object]:
    """JSON Schema (2020-12) of the settings file."""
    whole = msgspec.json.schema(Settings, schema_hook=lambda _: {"type": "string"})
    definitions = whole["$defs"]
    del definitions["Telemetry"]["properties"]["otlp"], definitions["Otlp"], definitions["Exporter"]
    del definitions["Upstream"]["required"]
    for definition in definitions.values():
        for found in definition["properties"].values():
            if WITH_UNIT.items() <= found.items():
                found["type"] = [found["type"], "string"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "anthropic-proxy.toml",
        "description": "Settings of anthropic-proxy; every key is optional.",
        **whole,
    }


def _found(values: object, pattern: KeyPath, path: KeyPath) -> Iterator[tuple[KeyPath, object]]:
    if not pattern:
        yield path, values
    elif isinstance(values, dict):
        names = list(values) if pattern[0] == "*" else [pattern[0]]
        for name in names:
            yield from _found(values[name], pattern[1:], (*path, name))


def _assignment(name: str, value: object, key: Key) -> str:
    match value, key.unit:
        case None, _:
            return f"# {name} is not set"
        case int(), "bytes":
            value = size_text(value)
        case ((int() | float()), "seconds"):
            value = duration_text(value)
    return f"{name} = {json.dumps(value, ensure_ascii=False)}"


def _telemetry(otlp: Otlp) -> Iterator[str]:
    yield "# Telemetry, from the standard OTEL_* variables:"
    yield f"# service {otlp.service_name}, resource attributes {json.dumps(otlp.resource)}, sampler {otlp.sampler}"
    for name, exporter in (("metrics", otlp.metrics), ("logs", otlp.logs), ("traces", otlp.traces)):
        yield f"# {name}: {'not exported' if exporter is None else _exporter(exporter)}"


def _exporter(exporter: Exporter) -> str:
    headers = ", ".join(f"{name}={MASK}" for name in sorted(exporter.headers)) or "none"
    sent = f"{exporter.endpoint} by {exporter.protocol}, headers {headers}"
    return f"{sent}, compression {exporter.compression}, timeout {exporter.timeout:g} s"
