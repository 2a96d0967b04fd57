from __future__ import annotations

import json
import tomllib
from pathlib import Path

from proxy.settings.describe import schema, show
from proxy.settings.keys import all_keys
from proxy.settings.load import load
from proxy.settings.sources import Flag

FILE = '[relay]\nlisten = "127.0.0.1:1"\nidle_timeout = 90\n[endpoints.production]\norganization = "acme \\"1\\""\n'


def test_what_is_shown_is_a_settings_file_that_gives_the_same_settings(tmp_path: Path) -> None:
    (tmp_path / "anthropic-proxy.toml").write_text(FILE)
    loaded = load((Flag("--data", "data", "d"),), environ={}, folder=tmp_path)
    (tmp_path / "shown.toml").write_text(show(loaded))
    assert load(config=Path("shown.toml"), environ={}, folder=tmp_path).settings == loaded.settings


def test_every_value_is_shown_with_where_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "anthropic-proxy.toml").write_text(FILE)
    environ = {"ANTHROPIC_PROXY_RETENTION_BODIES": "36h"}
    lines = show(load((Flag("--port", "port", 5),), environ=environ, folder=tmp_path)).splitlines()
    assert [line for line in lines if not line.endswith("# default") and "=" in line and line[0] != "#"] == [
        'listen = "127.0.0.1:5"                       # --port',
        'idle_timeout = "90s"                         # anthropic-proxy.toml:3',
        'bodies = "36h"                               # ANTHROPIC_PROXY_RETENTION_BODIES',
        'organization = "acme \\"1\\""                  # anthropic-proxy.toml:5',
    ]


def test_secrets_are_masked(tmp_path: Path) -> None:
    """H22"""
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20canary",
    }
    shown = show(load(environ=environ, folder=tmp_path))
    assert "canary" not in shown
    assert (
        "# logs: https://collector:4318/v1/logs by http/protobuf, headers authorization=***, compression none" in shown
    )


def test_the_schema_describes_every_key_and_nothing_else() -> None:
    tables = schema()["$defs"]
    assert isinstance(tables, dict)
    described = {
        name: set(table["properties"]) for name, table in tables.items() if "description" in table
    }  # fmt: skip
    expected: dict[str, set[str]] = {}
    for key in all_keys():
        *tables_above, own = (part for part in key.path if part != "*")
        above = tables_above[-1] if tables_above else "settings"
        rooms = {"upstreams": "Upstream", "endpoints": "Endpoint", "redact": "Redaction"}
        expected.setdefault(rooms.get(above, above.title()), set()).add(own)
    expected["Settings"] |= {key.path[0] for key in all_keys()}
    expected["Capture"].add("redact")
    assert described == expected


def test_the_schema_lets_sizes_and_durations_be_written_with_units() -> None:
    text = json.dumps(schema())
    assert '"type": ["integer", "string"]' in text
    assert '"type": ["number", "string"]' in text
    assert tomllib.loads('max_body = "1GiB"')
