from __future__ import annotations

from pathlib import Path

from proxy.settings.load import load
from proxy.settings.sources import Flag
from proxy.settings.transfer import decode, encode


def test_settings_survive_their_way_to_another_process(tmp_path: Path) -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x",
        "ANTHROPIC_PROXY_ENDPOINTS_PRODUCTION_ORGANIZATION": "acme",
        "ANTHROPIC_PROXY_INSPECTOR_TOKEN_FILE": "token",
    }
    settings = load((Flag("--data", "data", "here"),), environ=environ, folder=tmp_path).settings
    assert decode(encode(settings)) == settings
