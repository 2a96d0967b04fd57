from __future__ import annotations

import os
from pathlib import Path

from proxy.settings.load import load
from proxy.settings.shape import Endpoint, Settings
from proxy.settings.sources import Flag
from proxy.supervisor.handover import HandOver, give, take


def test_what_is_given_is_taken(tmp_path: Path) -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x",
        "ANTHROPIC_PROXY_ENDPOINTS_PRODUCTION_ORGANIZATION": "acme",
        "ANTHROPIC_PROXY_INSPECTOR_TOKEN_FILE": "token",
    }
    settings = load((Flag("--data", "data", "here"),), environ=environ, folder=tmp_path).settings
    told = HandOver(settings, 3, 4, "code", ("http://a",))
    read, write = os.pipe()
    give(write, told)
    assert take(read) == told


def test_a_child_that_has_ended_already_is_no_error() -> None:
    many = {f"e{number}": Endpoint(path=f"/e{number}", upstreams=("anthropic",)) for number in range(2000)}
    read, write = os.pipe()
    os.close(read)
    give(write, HandOver(Settings(data=Path("/data"), endpoints=many), None))
    assert write not in map(int, os.listdir("/dev/fd"))
