"""The containers: versions, secrets, users, addresses. `tests/stack/test_compose.py` asks Compose itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from proxy.settings.file import DEFAULT_NAME
from proxy.settings.load import load
from proxy.settings.shape import Settings
from proxy.supervisor.family import OBSERVER_PATIENCE_S, RELAY_MARGIN_S
from tests.stack_files.reading import (
    ROOT,
    Service,
    configurations,
    dockerfile_environment,
    images_of_recipes,
    services,
    text,
)

_SERVICES = services()
_LISTENS = {
    "proxy": {8080, 8081},
    "otel-collector": {4317, 4318, 8888, 13133},
    "prometheus": {9090},
    "loki": {3100},
    "tempo": {3200, 4317, 4318},
    "alertmanager": {9093},
    "grafana": {3000},
}
_NOT_BUILT = {"grafana/tempo", "grafana/grafana", "python", "anthropic-proxy"}
"""Images that no test builds the like of."""


def test_compose_runs_the_versions_that_are_tested() -> None:
    run = {service.image for service in _SERVICES.values() if service.image.split(":")[0] not in _NOT_BUILT}
    assert run == images_of_recipes()


def test_every_image_is_pinned_to_an_exact_version() -> None:
    used = [service.image for service in _SERVICES.values() if service.build is None]
    used += re.findall(r"^FROM (\S+)", text("Dockerfile"), re.MULTILINE)
    assert [image for image in used if not re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(-[\w.-]+)?", image)] == []


def test_init_runs_in_the_image_that_the_proxy_is_built_from() -> None:
    assert set(re.findall(r"^FROM (\S+)", text("Dockerfile"), re.MULTILINE)) == {_SERVICES["init"].image}


def test_passwords_and_tokens_come_from_files_only() -> None:
    secret = re.compile(r"PASSWORD|TOKEN|SECRET|API_KEY")
    given = [
        (name, variable, value)
        for name, service in _SERVICES.items()
        for variable, value in service.environment.items()
        if secret.search(variable)
    ]
    assert len(given) == 2
    assert [each for each in given if not each[2].startswith("/run/secrets/")] == []
    assert _SERVICES["grafana"].environment["GF_SECURITY_ADMIN_PASSWORD__FILE"]
    assert _SERVICES["grafana"].environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"


def test_every_address_names_a_service_and_a_port_it_listens_on() -> None:
    names = "|".join(_SERVICES)
    texts = [text("docker-compose.yml"), text("init/first_start.py"), *(each for _, each in configurations())]
    found = {pair for each in texts for pair in re.findall(rf"\b({names}):(\d{{4,5}})\b", each)}
    assert {name for name, _ in found} == _LISTENS.keys() - {"grafana"}
    assert [(name, port) for name, port in found if int(port) not in _LISTENS.get(name, set())] == []


def test_servers_listen_where_the_others_look_for_them() -> None:
    collector, tempo = text("otel-collector/config.yaml"), text("tempo/config.yaml")
    for port in (4317, 4318, 13133):
        assert f"0.0.0.0:{port}" in collector
    assert "host: 0.0.0.0, port: 8888" in collector
    for port in (4317, 4318):
        assert f"0.0.0.0:{port}" in tempo
    assert "http_listen_port: 3200" in tempo
    assert "http_listen_port: 3100" in text("loki/config.yaml")
    environment = dockerfile_environment()
    assert environment["ANTHROPIC_PROXY_RELAY_LISTEN"] == "0.0.0.0:8080"
    assert environment["ANTHROPIC_PROXY_INSPECTOR_LISTEN"] == "0.0.0.0:8081"


@pytest.mark.parametrize("name", [name for name in _SERVICES if name not in ("init", "proxy", "grafana")])
def test_a_server_reads_the_folder_of_its_name(name: str) -> None:
    server = _SERVICES[name]
    [argument] = [part for part in server.command if re.match(r"--?config[.=]", part)]
    assert argument.partition("=")[2] == f"/etc/{name}/config.yaml"
    assert server.mounted()[f"/etc/{name}"] == f"./{name}"


def test_servers_write_into_their_volumes_only() -> None:
    kept = {name: set(service.mounted()) - {"/run/secrets"} for name, service in _SERVICES.items()}
    assert "/prometheus" in kept["prometheus"]
    assert "--storage.tsdb.path=/prometheus" in _SERVICES["prometheus"].command
    assert "/alertmanager" in kept["alertmanager"]
    assert "--storage.path=/alertmanager" in _SERVICES["alertmanager"].command
    for name, folder in (("otel-collector", "/var/lib/otelcol"), ("loki", "/loki"), ("tempo", "/var/tempo")):
        named = re.findall(r"(?:directory|path|path_prefix): (/[\w/-]+)", text(f"{name}/config.yaml"))
        assert named
        assert folder in kept[name]
        outside = [path for path in named if not path.startswith((folder, f"/etc/{name}/"))]
        assert outside == []
    assert "/var/lib/grafana" in kept["grafana"]
    assert dockerfile_environment()["ANTHROPIC_PROXY_DATA"] in kept["proxy"]


@pytest.mark.parametrize("name", ["otel-collector", "loki", "tempo"])
def test_servers_that_cannot_see_their_limit_are_told_four_fifths_of_it(name: str) -> None:
    server = _SERVICES[name]
    assert 0.79 < _mebibytes(server.environment["GOMEMLIMIT"]) / _mebibytes(server.mem_limit) < 0.81


def test_the_image_runs_as_the_user_that_owns_its_data() -> None:
    [user] = re.findall(r"^USER (\S+)", text("Dockerfile"), re.MULTILINE)
    uid, _, gid = user.partition(":")
    assert f"-o {uid} -g {gid} /data" in text("Dockerfile")
    assert _SERVICES["proxy"].user == user
    assert dockerfile_environment()["HOME"] == "/data"


def test_the_proxy_has_time_to_end(tmp_path: Path) -> None:
    relay = _settings(_SERVICES["proxy"], tmp_path).relay
    needed = relay.prestop_seconds + relay.drain_seconds + RELAY_MARGIN_S + OBSERVER_PATIENCE_S
    assert int(_SERVICES["proxy"].stop_grace_period.removesuffix("s")) > needed


def test_containers_give_the_proxy_settings_that_it_accepts(tmp_path: Path) -> None:
    settings = _settings(_SERVICES["proxy"], tmp_path)
    assert (settings.relay.listen, settings.inspector.listen) == ("0.0.0.0:8080", "0.0.0.0:8081")
    assert settings.inspector.allowed_hosts == ("localhost", "127.0.0.1", "proxy")
    assert settings.data == Path("/data")
    assert settings.telemetry.otlp.logs is not None
    assert settings.telemetry.otlp.logs.endpoint == "http://otel-collector:4318/v1/logs"


def test_the_proxy_finds_its_settings_file_in_its_working_folder(tmp_path: Path) -> None:
    proxy = _SERVICES["proxy"]
    folder = ROOT / proxy.mounted()[proxy.working_dir]
    [file] = folder.iterdir()
    assert file.name == DEFAULT_NAME
    example = re.sub(r"^# ?(?=\[|\w+ = )", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (tmp_path / DEFAULT_NAME).write_text(example, encoding="utf-8")
    assert load(environ={}, folder=folder).settings == load(environ={}, folder=tmp_path / "empty").settings
    assert load(environ={}, folder=tmp_path).settings.endpoints["production"].organization == "acme"


def test_the_home_dashboard_is_one_that_is_mounted() -> None:
    path = Path(_SERVICES["grafana"].environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    folder = _SERVICES["grafana"].mounted()[str(path.parent)]
    assert (ROOT / folder / path.name).is_file()


def test_the_readme_names_the_files_of_the_demo() -> None:
    [files] = re.findall(r"COMPOSE_FILE=(\S+)", text("README.md"))
    assert files.split(":") == ["docker-compose.yml", "compose.demo.yml"]
    assert all((ROOT / file).is_file() for file in files.split(":"))


def _settings(proxy: Service, folder: Path) -> Settings:
    token = folder / "inspector_token"
    token.write_text("the token of the tests\n")
    environment = dockerfile_environment() | proxy.environment
    return load(environ=environment | {"ANTHROPIC_PROXY_INSPECTOR_TOKEN_FILE": str(token)}, folder=folder).settings


def _mebibytes(size: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(M|MiB|G)", size).groups()  # type: ignore[union-attr]
    return int(number) * (1024 if unit == "G" else 1)
