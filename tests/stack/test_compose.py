"""Compose itself reads our files, without an engine: what it would run is closed, bounded and complete."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from tests.servers.cache import program

_ROOT = Path(__file__).resolve().parents[2]
_PLAIN = ("docker-compose.yml",)
_DEMO = ("docker-compose.yml", "compose.demo.yml")
_WITHOUT_HEALTHCHECK = {
    "init": "it ends",
    "proxy": "its Dockerfile has one",
    "otel-collector": "its image holds nothing that could ask",
}
_WITHOUT_GATEWAY = {"otel-collector", "prometheus", "loki", "tempo"}


class _Port(msgspec.Struct):
    host_ip: str
    published: str
    target: int


class _Volume(msgspec.Struct):
    type: str
    source: str
    target: str
    read_only: bool = False


class _Healthcheck(msgspec.Struct):
    test: list[str]


class _DependsOn(msgspec.Struct):
    condition: str


class _Logging(msgspec.Struct):
    options: dict[str, str]


class _Service(msgspec.Struct):
    image: str
    user: str
    restart: str
    logging: _Logging
    pids_limit: int
    mem_limit: str
    cap_drop: list[str]
    security_opt: list[str]
    read_only: bool = False
    privileged: bool = False
    cap_add: list[str] = []
    command: list[str] | None = None
    healthcheck: _Healthcheck | None = None
    depends_on: dict[str, _DependsOn] = {}
    network_mode: str | None = None
    networks: dict[str, None] = {}
    ports: list[_Port] = []
    volumes: list[_Volume] = []


class _Network(msgspec.Struct):
    internal: bool = False


class _Model(msgspec.Struct):
    name: str
    services: dict[str, _Service]
    networks: dict[str, _Network]
    volumes: dict[str, object]


def _config(files: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
    chosen = [part for file in files for part in ("--file", str(_ROOT / file))]
    command = [str(program("compose")), *chosen, "config", "--format", "json"]
    return subprocess.run(command, cwd=_ROOT, capture_output=True, check=False)


def _model(files: tuple[str, ...]) -> _Model:
    return msgspec.json.decode(_config(files).stdout, type=_Model)


@pytest.fixture(scope="module", params=[_PLAIN, _DEMO], ids=["plain", "demo"])
def model(request: pytest.FixtureRequest) -> _Model:
    """What Compose would run."""
    files: tuple[str, ...] = request.param
    return _model(files)


@pytest.mark.parametrize("files", [_PLAIN, _DEMO], ids=["plain", "demo"])
def test_compose_accepts_the_files_without_a_warning(files: tuple[str, ...]) -> None:
    done = _config(files)
    assert (done.returncode, done.stderr) == (0, b"")


def test_only_proxy_and_grafana_are_published_and_only_on_loopback(model: _Model) -> None:
    published = {
        f"{name} {port.host_ip}:{port.published}:{port.target}"
        for name, service in model.services.items()
        for port in service.ports
    }
    assert published == {
        "proxy 127.0.0.1:8080:8080",
        "proxy 127.0.0.1:8081:8081",
        "grafana 127.0.0.1:3000:3000",
    }


def test_servers_without_sign_in_are_on_the_internal_network_alone(model: _Model) -> None:
    assert [name for name, network in model.networks.items() if network.internal] == ["telemetry"]
    inside = {name for name, service in model.services.items() if set(service.networks) == {"telemetry"}}
    assert inside == _WITHOUT_GATEWAY
    assert set(model.services["alertmanager"].networks) == {"notify", "telemetry"}
    assert model.services["init"].network_mode == "none"


def test_nobody_else_is_on_a_network_with_the_published_ones(model: _Model) -> None:
    assert {name for name, service in model.services.items() if "edge" in service.networks} == {"proxy", "grafana"}


def test_every_container_is_read_only_and_without_privileges(model: _Model) -> None:
    for name, service in model.services.items():
        assert service.read_only, name
        assert not service.privileged, name
        assert service.cap_drop == ["ALL"], name
        assert service.security_opt == ["no-new-privileges:true"], name
        assert service.cap_add == (["CHOWN"] if name == "init" else []), name
        assert (service.user.split(":")[0] == "0") == (name == "init"), name


def test_every_container_is_bounded(model: _Model) -> None:
    for name, service in model.services.items():
        assert 0 < int(service.mem_limit) <= 2**30, name
        assert service.pids_limit > 0, name
        assert set(service.logging.options) == {"max-size", "max-file"}, name


def test_every_container_comes_back_and_says_whether_it_is_well(model: _Model) -> None:
    assert {name for name, service in model.services.items() if service.restart != "unless-stopped"} == {"init"}
    unasked = {name for name, service in model.services.items() if service.healthcheck is None}
    assert unasked == _WITHOUT_HEALTHCHECK.keys()
    assert "\nHEALTHCHECK " in (_ROOT / "Dockerfile").read_text("utf-8")


def test_everything_waits_for_init_and_the_proxy_for_nothing_else(model: _Model) -> None:
    for name, service in model.services.items():
        awaited = {other: wait.condition for other, wait in service.depends_on.items()}
        assert awaited == ({} if name == "init" else {"init": "service_completed_successfully"}), name


def test_what_is_mounted_from_the_repository_exists_and_is_read_only(model: _Model) -> None:
    mounts = [mount for service in model.services.values() for mount in service.volumes if mount.type == "bind"]
    assert mounts
    assert [mount.source for mount in mounts if not mount.read_only or not Path(mount.source).is_dir()] == []


def test_every_volume_is_written_by_one_container_besides_init(model: _Model) -> None:
    used = {
        (mount.source, name, mount.read_only)
        for name, service in model.services.items()
        for mount in service.volumes
        if mount.type == "volume" and name != "init"
    }
    assert sorted(volume for volume, _, _ in used) == sorted(model.volumes)
    assert {volume for volume, _, read_only in used if read_only} == {
        volume for volume in model.volumes if volume.endswith("-secrets")
    }


def test_the_demo_is_the_same_stack_with_sample_traffic_and_data_of_its_own() -> None:
    plain, demo = _model(_PLAIN), _model(_DEMO)
    assert (plain.name, demo.name) == ("anthropic-proxy", "anthropic-proxy-demo")
    assert plain.services["proxy"].command is None
    assert demo.services["proxy"].command == ["demo", "--data", "/data"]
    demo.services["proxy"].command = None
    assert demo.services == plain.services
    assert demo.volumes != plain.volumes
