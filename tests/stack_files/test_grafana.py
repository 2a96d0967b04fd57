"""Grafana is not run here: what it is provisioned with agrees with the names and addresses of the others."""

from __future__ import annotations

import re

import msgspec

from proxy.names.fields import FIELDS
from proxy.names.metrics import INSTRUMENTS
from proxy.observer.exposition import prometheus_name
from tests.stack_files.reading import ROOT, services, text


class _Tag(msgspec.Struct, rename="camel"):
    key: str
    value: str


class _Query(msgspec.Struct, rename="camel"):
    name: str
    query: str


class _Logs(msgspec.Struct, rename="camel"):
    datasource_uid: str
    custom_query: bool
    query: str
    tags: list[_Tag]


class _Metrics(msgspec.Struct, rename="camel"):
    datasource_uid: str
    queries: list[_Query]
    tags: list[_Tag]


class _Exemplar(msgspec.Struct, rename="camel"):
    name: str
    datasource_uid: str


class _Derived(msgspec.Struct, rename="camel"):
    matcher_type: str
    matcher_regex: str
    url: str
    datasource_uid: str | None = None


class _Details(msgspec.Struct, rename="camel"):
    time_interval: str | None = None
    alertmanager_uid: str | None = None
    exemplar_trace_id_destinations: list[_Exemplar] = []
    derived_fields: list[_Derived] = []
    traces_to_logs_v2: _Logs | None = None
    traces_to_metrics: _Metrics | None = None


class _DataSource(msgspec.Struct, rename="camel"):
    name: str
    uid: str
    type: str
    url: str
    editable: bool
    json_data: _Details
    is_default: bool = False


class _DataSources(msgspec.Struct, rename="camel"):
    prune: bool
    datasources: list[_DataSource]


class _Options(msgspec.Struct, forbid_unknown_fields=True):
    path: str


class _Provider(msgspec.Struct, rename="camel"):
    folder: str
    type: str
    allow_ui_updates: bool
    disable_deletion: bool
    options: _Options


class _Providers(msgspec.Struct, rename="camel"):
    providers: list[_Provider]


_TEXT = text("grafana/provisioning/datasources/datasources.yaml")
_ALL = msgspec.yaml.decode(_TEXT, type=_DataSources)
_SOURCES = {source.uid: source for source in _ALL.datasources}
_IN_LOKI = {field.name for field in FIELDS} | {"trace_id", "service_name"}


def test_data_sources_are_fixed_and_those_of_the_dashboards() -> None:
    reference = set(re.findall(r'"datasource": \{ "type": "\w+", "uid": "(\w+)" \}', text("grafana/reference.json")))
    assert reference <= {"prometheus", "loki", "tempo"} <= _SOURCES.keys()
    assert {source.uid: source.type for source in _ALL.datasources} == {uid: uid for uid in _SOURCES}
    assert [source.uid for source in _ALL.datasources if source.is_default] == ["prometheus"]
    assert _ALL.prune
    assert not any(source.editable for source in _ALL.datasources)


def test_every_data_source_is_a_server_of_the_stack() -> None:
    addresses = {"prometheus": 9090, "loki": 3100, "tempo": 3200, "alertmanager": 9093}
    assert {uid: source.url for uid, source in _SOURCES.items()} == {
        name: f"http://{name}:{port}" for name, port in addresses.items()
    }


def test_every_link_leads_to_a_data_source_that_is_there() -> None:
    assert set(re.findall(r"(?:datasourceUid|alertmanagerUid): (\w+)", _TEXT)) <= _SOURCES.keys()


def test_an_exemplar_leads_to_its_trace() -> None:
    assert _SOURCES["prometheus"].json_data.exemplar_trace_id_destinations == [_Exemplar("trace_id", "tempo")]


def test_a_log_line_leads_to_its_trace_its_request_and_its_session() -> None:
    derived = {field.matcher_regex: field for field in _SOURCES["loki"].json_data.derived_fields}
    assert {name: field.datasource_uid for name, field in derived.items()} == {
        "trace_id": "tempo",
        "inspector_url": None,
        "session_id": "loki",
    }
    assert {field.matcher_type for field in derived.values()} == {"label"}
    assert derived.keys() <= _IN_LOKI


def test_a_trace_leads_to_its_log_lines() -> None:
    logs = _SOURCES["tempo"].json_data.traces_to_logs_v2
    assert logs is not None
    assert (logs.datasource_uid, logs.custom_query) == ("loki", True)
    assert logs.tags == [_Tag("service.name", "service_name")]
    assert _sent(logs.query) == '{${__tags}} | trace_id="${__trace.traceId}"'


def test_a_trace_leads_to_metrics_that_exist() -> None:
    metrics = _SOURCES["tempo"].json_data.traces_to_metrics
    assert metrics is not None
    assert metrics.datasource_uid == "prometheus"
    series = {prometheus_name(instrument): instrument for instrument in INSTRUMENTS}
    for query in metrics.queries:
        [asked] = re.findall(r"\bproxy_\w+", _sent(query.query))
        instrument = series[asked.removesuffix("_bucket")]
        assert {tag.value for tag in metrics.tags} <= set(instrument.attributes)
        assert "{$__tags}[$__rate_interval]" in _sent(query.query)


def test_grafana_takes_no_variable_of_its_own_for_the_environment_s() -> None:
    assert re.findall(r"(?<!\$)\$(?!\$)", _TEXT.replace("$$", "")) == []


def test_rates_are_asked_over_the_interval_at_which_samples_come() -> None:
    assert f"scrape_interval: {_SOURCES['prometheus'].json_data.time_interval}" in text("prometheus/config.yaml")


def test_dashboards_come_from_the_mounted_folder_and_are_not_changed_in_grafana() -> None:
    written = text("grafana/provisioning/dashboards/dashboards.yaml")
    [provider] = msgspec.yaml.decode(written, type=_Providers).providers
    assert (provider.folder, provider.type) == ("Anthropic Proxy", "file")
    assert provider.disable_deletion
    assert not provider.allow_ui_updates
    folder = services()["grafana"].mounted()[provider.options.path]
    assert list((ROOT / folder).glob("*.json"))


def test_the_reference_is_not_provisioned() -> None:
    assert not any("reference" in source for source in services()["grafana"].mounted().values())


def _sent(written: str) -> str:
    """What remains once Grafana has read the environment's variables."""
    return written.replace("$$", "$")
