"""What arrives by which way: the collector loses nothing, and Prometheus gets no series twice."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from proxy.names.metrics import INSTRUMENTS, Channel, Instrument, Kind
from proxy.observer.exposition import prometheus_name
from proxy.settings.load import load
from tests.stack.running import prepared_stack
from tests.stack_files.reading import text


class _Relabel(msgspec.Struct):
    action: str
    regex: str
    source_labels: list[str]


class _Job(msgspec.Struct):
    job_name: str
    metric_relabel_configs: list[_Relabel] = []


class _Prometheus(msgspec.Struct):
    scrape_configs: list[_Job]


class _Queue(msgspec.Struct):
    storage: str
    num_consumers: int


class _Retry(msgspec.Struct):
    max_elapsed_time: int


class _Exporter(msgspec.Struct):
    sending_queue: _Queue | None = None
    retry_on_failure: _Retry | None = None


class _Pipeline(msgspec.Struct):
    processors: list[str]


class _CollectorService(msgspec.Struct):
    pipelines: dict[str, _Pipeline]


class _Collector(msgspec.Struct):
    exporters: dict[str, _Exporter]
    service: _CollectorService


def test_stack_tests_give_the_proxy_settings_that_it_accepts(tmp_path: Path) -> None:
    environment = prepared_stack(tmp_path).proxy_environment(tmp_path / "data")
    settings = load(environ=environment, folder=tmp_path).settings
    assert settings.data == tmp_path / "data"
    assert settings.telemetry.otlp.metrics is not None
    assert settings.telemetry.otlp.metrics.endpoint == f"{environment['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/metrics"


def test_prometheus_scrapes_the_health_family_and_takes_the_rest_by_otlp() -> None:
    config = msgspec.yaml.decode(text("prometheus/config.yaml"), type=_Prometheus)
    [kept] = [job.metric_relabel_configs[0] for job in config.scrape_configs if job.job_name == "anthropic-proxy"]
    assert (kept.action, kept.source_labels) == ("keep", ["__name__"])
    for instrument in INSTRUMENTS:
        scraped = [name for name in _series_names(instrument) if re.fullmatch(kept.regex, name)]
        assert scraped == (_series_names(instrument) if instrument.channel is Channel.HEALTH else [])


def _series_names(instrument: Instrument) -> list[str]:
    name = prometheus_name(instrument)
    parts = ("_bucket", "_count", "_sum") if instrument.kind is Kind.HISTOGRAM else ("",)
    return [name + part for part in parts]


def test_collector_queues_on_disk_retries_for_ever_and_keeps_the_order() -> None:
    config = msgspec.yaml.decode(text("otel-collector/config.yaml"), type=_Collector)
    delivering = {name: exporter for name, exporter in config.exporters.items() if name.startswith("otlp")}
    assert set(delivering) == {"otlp_http/metrics", "otlp_http/logs", "otlp_http/traces"}
    for exporter in delivering.values():
        assert exporter.sending_queue == _Queue(storage="file_storage", num_consumers=1)
        assert exporter.retry_on_failure == _Retry(max_elapsed_time=0)
    for pipeline in config.service.pipelines.values():
        assert pipeline.processors[0] == "memory_limiter"
