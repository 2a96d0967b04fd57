"""The files of the stack agree with each other and with the servers that are tested; nothing needs to run."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from proxy.names import metrics
from proxy.names.metrics import Channel, Instrument, Kind
from proxy.settings.load import load
from tests.servers.recipes import RECIPES
from tests.stack.running import prepared_stack

_ROOT = Path(__file__).resolve().parents[1]
_COMPOSE_FILE = (_ROOT / "docker-compose.yml").read_text(encoding="utf-8")


class _Secret(msgspec.Struct):
    file: str


class _Network(msgspec.Struct):
    internal: bool = False


class _Service(msgspec.Struct):
    image: str
    build: str | None = None
    ports: list[str] = []
    networks: list[str] = []
    volumes: list[str] = []
    secrets: list[str] = []
    environment: dict[str, str] = {}
    command: list[str] = []
    read_only: bool = False
    cap_drop: list[str] = []
    security_opt: list[str] = []


class _Compose(msgspec.Struct):
    services: dict[str, _Service]
    networks: dict[str, _Network]
    secrets: dict[str, _Secret]


class _DataSource(msgspec.Struct):
    uid: str


class _Provisioned(msgspec.Struct):
    datasources: list[_DataSource]


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


_COMPOSE = msgspec.yaml.decode(_COMPOSE_FILE, type=_Compose)
_PULLED = {name: service for name, service in _COMPOSE.services.items() if service.build is None}
_LISTENS = {
    "proxy": {8080, 8081},
    "otel-collector": {4317, 4318, 8888, 13133},
    "prometheus": {9090},
    "loki": {3100},
    "grafana": {3000},
}


def test_compose_runs_the_versions_that_are_tested() -> None:
    tested = {recipe.image.rpartition(":")[0]: recipe.image for recipe in RECIPES}
    run = {service.image.rpartition(":")[0]: service.image for service in _PULLED.values()}
    assert {name: run[name] for name in tested} == tested


def test_every_image_is_pinned_to_an_exact_version() -> None:
    dockerfile = (_ROOT / "Dockerfile").read_text(encoding="utf-8")
    images = [service.image for service in _PULLED.values()] + re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert [image for image in images if not re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(-[\w.-]+)?", image)] == []


def test_only_proxy_and_grafana_are_published_and_only_on_loopback() -> None:
    published = {name: service.ports for name, service in _COMPOSE.services.items() if service.ports}
    assert published == {
        "proxy": ["127.0.0.1:8080:8080", "127.0.0.1:8081:8081"],
        "grafana": ["127.0.0.1:3000:3000"],
    }


def test_servers_without_sign_in_have_no_way_out_of_the_internal_network() -> None:
    assert _COMPOSE.networks["telemetry"].internal
    for name in ("otel-collector", "prometheus", "loki"):
        assert _COMPOSE.services[name].networks == ["telemetry"]


def test_every_container_is_read_only_and_without_privileges() -> None:
    for service in _COMPOSE.services.values():
        assert service.read_only
        assert service.cap_drop == ["ALL"]
        assert service.security_opt == ["no-new-privileges:true"]


def test_passwords_and_tokens_come_from_files_only() -> None:
    secret = re.compile(r"PASSWORD|TOKEN|SECRET|API_KEY")
    for service in _COMPOSE.services.values():
        for name, value in service.environment.items():
            if secret.search(name):
                assert value.startswith("/run/secrets/"), name
                assert value.removeprefix("/run/secrets/") in service.secrets
    assert _COMPOSE.services["grafana"].environment["GF_SECURITY_ADMIN_PASSWORD__FILE"]
    assert _COMPOSE.services["grafana"].environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert {secret.file for secret in _COMPOSE.secrets.values()} == {f"./secrets/{name}" for name in _COMPOSE.secrets}


def test_first_start_in_the_compose_file_makes_every_secret() -> None:
    [made] = re.findall(r"#\s+for name in ([\w ]+); do", _COMPOSE_FILE)
    assert set(made.split()) == set(_COMPOSE.secrets)


def test_what_is_mounted_from_the_repository_exists_and_is_read_only() -> None:
    mounted = [volume for service in _COMPOSE.services.values() for volume in service.volumes if volume[0] == "."]
    assert [volume for volume in mounted if not volume.endswith(":ro")] == []
    assert [volume for volume in mounted if not (_ROOT / volume.split(":")[0]).exists()] == []


def test_addresses_name_a_service_and_a_port_it_listens_on() -> None:
    texts = [
        _COMPOSE_FILE.replace("127.0.0.1", ""),
        *((_ROOT / name / "config.yaml").read_text(encoding="utf-8") for name in ("otel-collector", "prometheus")),
        (_ROOT / "grafana/provisioning/datasources/datasources.yaml").read_text(encoding="utf-8"),
    ]
    services = "|".join(_COMPOSE.services)
    found = {(name, int(port)) for text in texts for name, port in re.findall(rf"\b({services}):(\d{{4,5}})\b", text)}
    assert found == {
        ("otel-collector", 4318),
        ("otel-collector", 8888),
        ("prometheus", 9090),
        ("loki", 3100),
        ("proxy", 8081),
    }
    assert [address for address in found if address[1] not in _LISTENS[address[0]]] == []


def test_services_listen_where_the_others_look_for_them() -> None:
    collector = (_ROOT / "otel-collector/config.yaml").read_text(encoding="utf-8")
    for port in (4317, 4318, 13133):
        assert f"0.0.0.0:{port}" in collector
    assert "port: 8888" in collector
    assert "http_listen_port: 3100" in (_ROOT / "loki/config.yaml").read_text(encoding="utf-8")
    dockerfile = (_ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "RELAY_LISTEN=0.0.0.0:8080" in dockerfile
    assert "INSPECTOR_LISTEN=0.0.0.0:8081" in dockerfile


def test_prometheus_may_ask_the_inspector_by_its_service_name() -> None:
    allowed = _COMPOSE.services["proxy"].environment["ANTHROPIC_PROXY_INSPECTOR_ALLOWED_HOSTS"].split(",")
    assert "proxy" in allowed


def test_containers_give_the_proxy_settings_that_it_accepts(tmp_path: Path) -> None:
    dockerfile = (_ROOT / "Dockerfile").read_text(encoding="utf-8")
    environment = dict(re.findall(r"\b(ANTHROPIC_PROXY_\w+)=(\S+)", dockerfile))
    environment |= _COMPOSE.services["proxy"].environment
    token = tmp_path / "inspector_token"
    token.write_text("a token\n")
    environment["ANTHROPIC_PROXY_INSPECTOR_TOKEN_FILE"] = str(token)
    settings = load(environ=environment, folder=tmp_path).settings
    assert (settings.relay.listen, settings.inspector.listen) == ("0.0.0.0:8080", "0.0.0.0:8081")
    assert settings.inspector.allowed_hosts == ("localhost", "127.0.0.1", "proxy")
    assert settings.data == Path("/data")
    assert settings.telemetry.otlp.logs is not None
    assert settings.telemetry.otlp.logs.endpoint == "http://otel-collector:4318/v1/logs"


def test_stack_tests_give_the_proxy_settings_that_it_accepts(tmp_path: Path) -> None:
    environment = prepared_stack(tmp_path).proxy_environment(tmp_path / "data")
    settings = load(environ=environment, folder=tmp_path).settings
    assert settings.data == tmp_path / "data"
    assert settings.telemetry.otlp.metrics is not None
    assert settings.telemetry.otlp.metrics.endpoint == f"{environment['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/metrics"


def test_prometheus_scrapes_the_health_family_and_takes_the_rest_by_otlp() -> None:
    config = msgspec.yaml.decode((_ROOT / "prometheus/config.yaml").read_bytes(), type=_Prometheus)
    [kept] = [job.metric_relabel_configs[0] for job in config.scrape_configs if job.job_name == "anthropic-proxy"]
    assert (kept.action, kept.source_labels) == ("keep", ["__name__"])
    instruments = [value for value in vars(metrics).values() if isinstance(value, Instrument)]
    assert len(instruments) > 30
    for instrument in instruments:
        scraped = [name for name in _series_names(instrument) if re.fullmatch(kept.regex, name)]
        assert scraped == (_series_names(instrument) if instrument.channel is Channel.HEALTH else [])


def _series_names(instrument: Instrument) -> list[str]:
    units = {"ms": "_milliseconds", "By": "_bytes", "s": "_seconds", "{token}/s": "_per_second"}
    name = instrument.name.replace(".", "_") + units.get(instrument.unit, "")
    if instrument.kind is Kind.HISTOGRAM:
        return [f"{name}_{part}" for part in ("bucket", "count", "sum")]
    return [f"{name}_total" if instrument.kind is Kind.COUNTER else name]


def test_data_sources_have_the_uids_the_reference_dashboard_asks() -> None:
    text = (_ROOT / "grafana/provisioning/datasources/datasources.yaml").read_text(encoding="utf-8")
    dashboard = (_ROOT / "grafana/reference.json").read_text(encoding="utf-8")
    provisioned = {source.uid for source in msgspec.yaml.decode(text, type=_Provisioned).datasources}
    assert set(re.findall(r'"datasource": \{ "type": "\w+", "uid": "(\w+)" \}', dashboard)) == provisioned


def test_collector_queues_on_disk_retries_for_ever_and_keeps_the_order() -> None:
    config = msgspec.yaml.decode((_ROOT / "otel-collector/config.yaml").read_bytes(), type=_Collector)
    delivering = {name: exporter for name, exporter in config.exporters.items() if name.startswith("otlp")}
    assert set(delivering) == {"otlp_http/metrics", "otlp_http/logs"}
    for exporter in delivering.values():
        assert exporter.sending_queue == _Queue(storage="file_storage", num_consumers=1)
        assert exporter.retry_on_failure == _Retry(max_elapsed_time=0)
    for pipeline in config.service.pipelines.values():
        assert pipeline.processors[0] == "memory_limiter"
