"""The first start by the real script: as root with the container's powers and users, else with one's own."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from init.first_start import DATA, SECRETS
from tests.stack_files.reading import ROOT, configurations, services, text

_IS_ROOT = os.geteuid() == 0
_POWERS = ("setpriv", "--bounding-set=-all,+chown", "--no-new-privs") if _IS_ROOT else ()
_SERVICES = services()
_MAKE, *_OWNERS = _SERVICES["init"].command
_USERS = {service: int(user) if _IS_ROOT else os.getuid() for service, user in (pair.split("=") for pair in _OWNERS)}
_READERS = sorted({reader for secret in SECRETS.values() for reader in secret.readers})
_RANDOM = ("inspector_token", "grafana_admin_password")


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """Empty volumes as an engine makes them."""
    for name in (*DATA, *(f"{reader}-secrets" for reader in _READERS)):
        (tmp_path / name).mkdir()
    return tmp_path


def _init(volumes: Path, *command: str, given: str = "", umask: int = 0o022) -> subprocess.CompletedProcess[str]:
    """As in the container: with nothing but the standard library."""
    script = [*_POWERS, sys.executable, "-I", "-S", str(ROOT / "init/first_start.py"), str(volumes), *command]
    return subprocess.run(script, input=given, capture_output=True, text=True, umask=umask, check=False)


def _make(volumes: Path, umask: int = 0o022) -> None:
    made = _init(volumes, _MAKE, *(f"{service}={user}" for service, user in _USERS.items()), umask=umask)
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")


def _secrets(volumes: Path) -> dict[str, str]:
    """What each reader sees."""
    return {
        f"{folder.name.removesuffix('-secrets')} {path.name}": path.read_text()
        for folder in sorted(volumes.glob("*-secrets"))
        for path in folder.iterdir()
    }


def test_each_reader_gets_its_own_secrets_and_no_others(volumes: Path) -> None:
    _make(volumes)
    assert set(_secrets(volumes)) == {f"{reader} {name}" for name in SECRETS for reader in SECRETS[name].readers}


def test_all_readers_of_a_secret_get_the_same(volumes: Path) -> None:
    _make(volumes)
    seen = _secrets(volumes)
    assert seen["proxy inspector_token"] == seen["prometheus inspector_token"]


def test_no_two_installations_share_a_secret(volumes: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    for folder in volumes.iterdir():
        (other / folder.name).mkdir()
    _make(volumes)
    _make(other)
    for reader in ("proxy inspector_token", "grafana grafana_admin_password"):
        assert len(_secrets(volumes)[reader].strip()) == 32
        assert _secrets(volumes)[reader] != _secrets(other)[reader]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_a_secret_is_read_by_its_reader_alone_whatever_the_umask(volumes: Path, umask: int) -> None:
    _make(volumes, umask)
    for path in volumes.glob("*-secrets/*"):
        found = path.stat()
        assert stat.S_IMODE(found.st_mode) == 0o440
        assert found.st_uid == _USERS[path.parent.name.removesuffix("-secrets")]
        assert found.st_gid == os.getgid()


def test_data_volumes_belong_to_those_who_write_to_them(volumes: Path) -> None:
    _make(volumes)
    assert {name: (volumes / name).stat().st_uid for name in DATA} == {name: _USERS[name] for name in DATA}


def test_a_second_start_writes_nothing(volumes: Path) -> None:
    _make(volumes)
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in volumes.glob("*-secrets/*")}
    _make(volumes)
    assert before == {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in volumes.glob("*-secrets/*")}


def test_what_one_reader_has_already_the_others_get(volumes: Path) -> None:
    (volumes / "prometheus-secrets" / "inspector_token").write_text("a token that was there before\n")
    _make(volumes)
    assert _secrets(volumes)["proxy inspector_token"] == "a token that was there before\n"
    assert _secrets(volumes)["grafana grafana_admin_password"]


def test_an_interrupted_start_is_finished_by_the_next(volumes: Path) -> None:
    (volumes / "proxy-secrets" / "inspector_token").touch()
    (volumes / "proxy-secrets" / ".inspector_token").write_text("half a tok")
    _make(volumes)
    assert len(_secrets(volumes)["proxy inspector_token"].strip()) == 32
    assert [path.name for path in (volumes / "proxy-secrets").iterdir()] == ["inspector_token"]


def test_a_secret_that_others_may_read_is_closed_and_kept(volumes: Path) -> None:
    _make(volumes)
    kept = _secrets(volumes)
    for path in volumes.glob("*-secrets/*"):
        path.chmod(0o644)
    _make(volumes)
    assert _secrets(volumes) == kept
    assert {stat.S_IMODE(path.stat().st_mode) for path in volumes.glob("*-secrets/*")} == {0o440}


def test_show_says_every_secret(volumes: Path) -> None:
    _make(volumes)
    shown = dict(line.split() for line in _init(volumes, "show").stdout.splitlines())
    assert set(shown) == set(SECRETS)
    assert f"{shown['inspector_token']}\n" == _secrets(volumes)["proxy inspector_token"]
    assert f"{shown['grafana_admin_password']}\n" == _secrets(volumes)["grafana grafana_admin_password"]


def test_show_before_the_first_start_says_so(volumes: Path) -> None:
    assert _init(volumes, "show").stdout.count("not made yet") == len(SECRETS)


def test_the_address_of_alerts_can_be_set_and_stays(volumes: Path) -> None:
    _make(volumes)
    assert _init(volumes, "set", "alert_webhook_url", given="https://hooks.example/abc\n").returncode == 0
    _make(volumes)
    assert _secrets(volumes)["alertmanager alert_webhook_url"] == "https://hooks.example/abc\n"
    assert (volumes / "alertmanager-secrets/alert_webhook_url").stat().st_uid == _USERS["alertmanager"]


@pytest.mark.parametrize("given", ["", "hooks.example\n", "https://hooks example/\n", "https://hööks.example/\n"])
def test_an_address_that_cannot_be_right_changes_nothing(volumes: Path, given: str) -> None:
    _make(volumes)
    before = _secrets(volumes)
    refused = _init(volumes, "set", "alert_webhook_url", given=given)
    assert refused.returncode == 1
    assert "alert_webhook_url has to match" in refused.stderr
    assert _secrets(volumes) == before


@pytest.mark.parametrize("command", [[], ["sho"], ["set"], ["set", "another"]])
def test_wrong_usage_is_told_the_right_one(volumes: Path, command: list[str]) -> None:
    refused = _init(volumes, *command)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("show | set ")


def test_a_missing_volume_is_one_sentence(volumes: Path) -> None:
    (volumes / "tempo").rmdir()
    failed = _init(volumes, _MAKE, *(f"{service}={user}" for service, user in _USERS.items()))
    assert failed.returncode == 1
    assert failed.stderr.startswith("init: ")
    assert failed.stderr.count("\n") == 1


def test_init_has_every_volume_that_it_fills_and_readers_have_their_own() -> None:
    filled = {target.removeprefix("/volumes/"): source for target, source in _SERVICES["init"].mounted().items()}
    assert set(filled) - {"/etc/init"} == {*DATA, *(f"{reader}-secrets" for reader in _READERS)}
    assert [source for name, source in filled.items() if name != "/etc/init" and source != name] == []
    reading = {name: service.mounted()["/run/secrets"] for name, service in _SERVICES.items() if _reads(name)}
    assert reading == {reader: f"{reader}-secrets" for reader in _READERS}


def test_whatever_reads_a_secret_is_given_it() -> None:
    named = {
        (name, secret)
        for name, said in [
            *configurations(),
            *((name, value) for name, service in _SERVICES.items() for value in service.environment.values()),
        ]
        for secret in re.findall(r"/run/secrets/(\w+)", said)
    }
    assert named == {(reader, name) for name, secret in SECRETS.items() for reader in secret.readers}


def test_init_knows_the_users_of_the_containers() -> None:
    told = dict(pair.split("=") for pair in _OWNERS)
    assert told == {name: _SERVICES[name].user.split(":")[0] for name in {*DATA, *_READERS}}


def test_the_commands_of_the_readme_are_those_of_init(volumes: Path) -> None:
    _make(volumes)
    commands = re.findall(r"run --rm (?:-T )?init ([a-z_ ]+)", text("README.md") + text("docker-compose.yml"))
    assert {"show", "set alert_webhook_url"} <= {command.strip() for command in commands}
    for command in commands:
        assert _init(volumes, *command.split(), given="https://hooks.example/\n").returncode == 0


def _reads(name: str) -> bool:
    return "/run/secrets" in _SERVICES[name].mounted()
