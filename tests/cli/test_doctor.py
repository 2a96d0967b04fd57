from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.cli.doctor import Finding, examine
from proxy.settings.load import load
from tests.cli.commands import command
from tests.kit import certificates
from tests.kit.conditions import MEGABYTE, filled, tmpfs
from tests.kit.process import Proxy
from tests.kit.upstream import Upstream


@pytest.fixture
def healthy() -> Iterator[dict[str, str]]:
    """An environment whose upstream answers and whose ports are free."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {
            "ANTHROPIC_PROXY_DATA": "data",
            "ANTHROPIC_PROXY_UPSTREAMS_ANTHROPIC_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
            "ANTHROPIC_PROXY_RELAY_LISTEN": "127.0.0.1:0",
            "ANTHROPIC_PROXY_INSPECTOR_LISTEN": "127.0.0.1:0",
        }


def found(folder: Path, environ: dict[str, str]) -> dict[str, Finding]:
    return {finding.about: finding for finding in examine(load(environ=environ, folder=folder))}


def test_a_healthy_installation_ends_with_0(tmp_path: Path, healthy: dict[str, str]) -> None:
    done = command(tmp_path, "doctor", env=healthy)
    assert (done.code, done.err) == (0, "")
    assert [line[:4] for line in done.out.splitlines()] == ["ok  "] * 7
    assert not (tmp_path / "data").exists()


def test_versions_of_the_parts_are_named(tmp_path: Path, healthy: dict[str, str]) -> None:
    versions = found(tmp_path, healthy)["versions"]
    assert versions.ok
    for part in ("anthropic-proxy 0.1.0", "Python 3.", "SQLite 3.", "zttp ", "uvloop ", "grpcio "):
        assert part in versions.text


def test_what_cannot_be_reached_is_named_and_ends_with_1(tmp_path: Path, healthy: dict[str, str]) -> None:
    env = {**healthy, "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://unknown.invalid:4318/v1/logs"}
    done = command(tmp_path, "doctor", env=env)
    assert done.code == 1
    assert "FAIL logs       https://unknown.invalid:4318/v1/logs cannot be reached (" in done.out
    assert "; start the receiver, or mend OTEL_EXPORTER_OTLP_ENDPOINT" in done.out


def test_a_receiver_is_judged_by_the_certificates_that_exports_are_sent_with(
    tmp_path: Path, healthy: dict[str, str]
) -> None:
    """An authority of the company's own, and a receiver that wants to see whom it talks to."""
    authority = certificates.authority(tmp_path)
    context = certificates.server(tmp_path)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # later ones refuse after the handshake
    [own] = tmp_path.glob("server*.pem")
    told = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(authority)}
    known = {
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(own),
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": f"{own.with_suffix('.key')}",
    }
    with Upstream(context=context).running() as receiver:
        env = {**healthy, "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{receiver.url}/v1/logs"}
        findings = [found(tmp_path, {**env, **more})["logs"] for more in ({}, told, {**told, **known})]
    assert [finding.ok for finding in findings] == [False, False, True]
    assert "certificate verify failed" in findings[0].text


def test_a_certificate_that_exports_cannot_use_is_named(tmp_path: Path, healthy: dict[str, str]) -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:9", "OTEL_EXPORTER_OTLP_CERTIFICATE": "none.pem"}
    findings = found(tmp_path, {**healthy, **env})
    assert "none.pem cannot be read" in findings["telemetry"].text
    assert not findings["telemetry"].ok


def test_an_upstream_that_no_endpoint_uses_is_not_asked(tmp_path: Path, healthy: dict[str, str]) -> None:
    unused = {"ANTHROPIC_PROXY_UPSTREAMS_SPARE_URL": "https://unknown.invalid"}
    used = {"ANTHROPIC_PROXY_ENDPOINTS_DEFAULT_UPSTREAMS": "anthropic"}
    findings = found(tmp_path, healthy | unused | used)
    assert findings["upstream anthropic"].ok
    assert "upstream spare" not in findings


def test_a_port_in_use_is_named(tmp_path: Path, healthy: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        relay = found(tmp_path, {**healthy, "ANTHROPIC_PROXY_RELAY_LISTEN": address})["relay"]
    assert relay == Finding(
        False,
        "relay",
        f"ANTHROPIC_PROXY_RELAY_LISTEN: relay.listen: {address} is in use by another process; "
        "stop it or choose another port",
    )


def test_a_foreign_ledger_is_named(tmp_path: Path, healthy: dict[str, str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ledger.sqlite3").write_text("somebody's notes")
    ledger = found(tmp_path, healthy)["ledger"]
    assert not ledger.ok
    assert "cannot be read" in ledger.text


def test_a_running_proxy_is_found_by_its_data_folder(tmp_path: Path, healthy: dict[str, str]) -> None:
    proxy = Proxy(tmp_path, healthy["ANTHROPIC_PROXY_UPSTREAMS_ANTHROPIC_URL"])
    with proxy.running():
        findings = found(tmp_path, {"ANTHROPIC_PROXY_DATA": "data"})
        assert findings["relay"] == Finding(True, "relay", f"{proxy.base_url} answers")
        assert findings["inspector"] == Finding(True, "inspector", f"{proxy.inspector_url} answers")
        assert findings["ledger"].ok
        run = proxy.run["processes"]
        assert findings["processes"] == Finding(
            True, "processes", f"supervisor {run['supervisor']}, relay {run['relay']}, observer {run['observer']}"
        )


def test_relays_that_are_missing_are_named(tmp_path: Path, healthy: dict[str, str]) -> None:
    (tmp_path / "data").mkdir()
    processes = {"supervisor": 1, "relay-2": 2, "observer": 3}
    (tmp_path / "data" / "run.json").write_text(json.dumps({"relay": "http://127.0.0.1:9", "processes": processes}))
    finding = found(tmp_path, {**healthy, "ANTHROPIC_PROXY_RELAY_WORKERS": "2"})["processes"]
    assert finding == Finding(False, "processes", "1 of 2 relays run: the log says why the others ended")


def test_a_disk_without_room_for_bodies_is_named(tmp_path: Path, healthy: dict[str, str]) -> None:
    """F3"""
    with tmpfs(tmp_path / "data", 16) as data:
        (data / "reserve").write_bytes(bytes(500_000))
        with filled(data, leave=MEGABYTE):
            low = found(tmp_path, healthy)["data"]
        with filled(data):
            full = found(tmp_path, healthy)["data"]
        room = found(tmp_path, healthy)["data"]
    where = str(tmp_path / "data")
    assert low == Finding(
        False, "data", f"{where}, 0.0 GB free, 0.5 MB in reserve; bodies are not stored (retention.min_free): make room"
    )
    assert full == Finding(
        False, "data", f"{where}, 0.0 GB free, 0.5 MB in reserve; nothing can be recorded: make room"
    )
    assert room == Finding(True, "data", f"{where}, 0.0 GB free, 0.5 MB in reserve")
