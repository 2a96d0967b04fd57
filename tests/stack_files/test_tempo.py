"""Tempo is not run here: its configuration has only keys that Tempo 3 takes, and keeps what the collector sends."""

from __future__ import annotations

import re

import msgspec

from tests.stack_files.reading import services, text

_REFUSED_BY_TEMPO_3 = {"ingester", "ingester_client", "compactor", "metrics_generator_client"}
_TAKEN = {
    "stream_over_http_enabled",
    "server",
    "distributor",
    "storage",
    "backend_scheduler",
    "backend_worker",
    "overrides",
    "usage_report",
}
"""Top-level keys that were run on Tempo 3.0.3, and `overrides` in its nested form."""


class _Compaction(msgspec.Struct, forbid_unknown_fields=True):
    block_retention: str


class _Compacting(msgspec.Struct, forbid_unknown_fields=True):
    compaction: _Compaction


class _Provider(msgspec.Struct, forbid_unknown_fields=True):
    compaction: _Compacting


class _Scheduler(msgspec.Struct, forbid_unknown_fields=True):
    provider: _Provider


class _UsageReport(msgspec.Struct, forbid_unknown_fields=True):
    reporting_enabled: bool


class _Tempo(msgspec.Struct):
    backend_scheduler: _Scheduler
    backend_worker: _Compacting
    overrides: dict[str, dict[str, dict[str, int]]]
    usage_report: _UsageReport


_TEXT = text("tempo/config.yaml")
_CONFIG = msgspec.yaml.decode(_TEXT, type=_Tempo)


def test_there_is_no_key_that_tempo_3_refuses() -> None:
    keys = set(msgspec.yaml.decode(_TEXT, type=dict[str, object]))
    assert keys & _REFUSED_BY_TEMPO_3 == set()
    assert keys <= _TAKEN
    assert set(_CONFIG.overrides) == {"defaults"}
    assert set(_CONFIG.overrides["defaults"]) <= {"ingestion", "read", "compaction", "global", "storage"}


def test_its_image_is_a_version_3() -> None:
    assert services()["tempo"].image.startswith("grafana/tempo:3.")


def test_no_metrics_are_made_from_spans() -> None:
    assert "metrics_generator" not in _TEXT


def test_both_that_delete_blocks_know_the_same_retention() -> None:
    assert _CONFIG.backend_worker == _CONFIG.backend_scheduler.provider.compaction
    assert re.fullmatch(r"\d+h", _CONFIG.backend_worker.compaction.block_retention)


def test_a_backlog_is_refused_rather_than_dropped() -> None:
    assert _CONFIG.overrides["defaults"]["ingestion"]["max_traces_per_user"] == 0


def test_it_reports_to_nobody() -> None:
    assert not _CONFIG.usage_report.reporting_enabled


def test_the_collector_sends_to_a_receiver_that_is_configured() -> None:
    [address] = re.findall(r"http://tempo:(\d+)", text("otel-collector/config.yaml"))
    assert f"http: {{endpoint: 0.0.0.0:{address}}}" in _TEXT
