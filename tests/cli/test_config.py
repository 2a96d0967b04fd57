from __future__ import annotations

import json
from pathlib import Path

from proxy.settings.errors import READABLE
from tests.cli.commands import Done, command


def test_show_says_where_every_value_came_from(tmp_path: Path) -> None:
    (tmp_path / "anthropic-proxy.toml").write_text("[relay]\nmax_headers = 5\n")
    env = {"ANTHROPIC_PROXY_CAPTURE_BODIES": "errors", "NO_COLOR": "1"}
    done = command(tmp_path, "config", "show", "-p", "9000", env=env)
    assert (done.code, done.err) == (0, "")
    assert [line for line in done.out.splitlines() if " # " in line and not line.endswith("# default")] == [
        'listen = "127.0.0.1:9000"                    # --port',
        "max_headers = 5                              # anthropic-proxy.toml:2",
        'bodies = "errors"                            # ANTHROPIC_PROXY_CAPTURE_BODIES',
        "color = false                                # NO_COLOR",
    ]


def test_show_masks_secrets(tmp_path: Path) -> None:
    """H22"""
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=canary",
    }
    shown = command(tmp_path, "config", "show", env=env).out
    assert "canary" not in shown
    assert "authorization=***" in shown


def test_check_says_that_the_settings_are_right(tmp_path: Path) -> None:
    assert command(tmp_path, "config", "check") == Done(0, "the settings are right (no file)\n", "")
    (tmp_path / "own.toml").touch()
    named = command(tmp_path, "config", "check", env={"ANTHROPIC_PROXY_CONFIG": "own.toml"})
    assert named == Done(0, "the settings are right (own.toml)\n", "")


def test_check_names_the_first_mistake(tmp_path: Path) -> None:
    done = command(tmp_path, "config", "check", env={"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"})
    sentence = "OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' is not built; use http/protobuf or grpc"
    assert done == Done(2, "", f"anthropic-proxy: {sentence}\n")


def test_check_looks_at_the_files_of_certificates(tmp_path: Path) -> None:
    where = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem"}
    done = command(tmp_path, "config", "check", env=where)
    sentence = f"OTEL_EXPORTER_OTLP_CERTIFICATE: ca.pem cannot be read (No such file or directory); {READABLE}"
    assert done == Done(2, "", f"anthropic-proxy: {sentence}\n")


def test_the_schema_is_json(tmp_path: Path) -> None:
    done = command(tmp_path, "config", "schema")
    assert json.loads(done.out)["$defs"]["Relay"]["properties"]["max_body"]["type"] == ["integer", "string"]
