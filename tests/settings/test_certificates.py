from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from proxy.settings.certificates import refuse_unusable
from proxy.settings.errors import READABLE, SettingsError
from proxy.settings.otlp import read_otlp

UNFIT = "holds no PEM key without password that fits"
CERTIFICATE, CLIENT, KEY = (
    f"OTEL_EXPORTER_OTLP_{name}" for name in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`a.pem` with `a.key`, `b.pem` with `b.key`, which has a password; `both.pem`, `text`, `empty`, `folder`."""
    folder = tmp_path_factory.mktemp("certificates")
    for name, options in (("a", ["-nodes"]), ("b", ["-passout", "pass:canary"])):
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-subj", f"/CN={name}", *options]
        command += ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (folder / "both.pem").write_bytes((folder / "a.pem").read_bytes() + (folder / "a.key").read_bytes())
    (folder / "text").write_text("no certificate")
    (folder / "empty").touch()
    (folder / "folder").mkdir()
    return folder


def refuse(given: dict[str, str], endpoint: str = "https://collector:4318") -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **given}
    refuse_unusable(read_otlp(environ), environ)


def test_files_that_fit_are_right(files: Path) -> None:
    refuse({})
    refuse({CERTIFICATE: f"{files}/b.pem", CLIENT: f"{files}/a.pem", KEY: f"{files}/a.key"})
    refuse({CLIENT: f"{files}/both.pem"})


def test_files_that_are_not_used_are_not_looked_at() -> None:
    refuse({CERTIFICATE: "/none"}, endpoint="http://collector:4318")
    refuse({CERTIFICATE: "/none"}, endpoint="")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({CERTIFICATE: "F/none"}, f"{CERTIFICATE}: F/none cannot be read (No such file or directory); {READABLE}"),
        ({CERTIFICATE: "F/folder"}, f"{CERTIFICATE}: F/folder cannot be read (Is a directory); {READABLE}"),
        ({CERTIFICATE: "F/\0"}, f"{CERTIFICATE}: F/\\x00 cannot be read (no path); {READABLE}"),
        ({CERTIFICATE: "F/text"}, f"{CERTIFICATE}: F/text holds no certificate in PEM; name a file that does"),
        ({CERTIFICATE: "F/empty"}, f"{CERTIFICATE}: F/empty holds no certificate in PEM; name a file that does"),
        ({CERTIFICATE: "F/a.key"}, f"{CERTIFICATE}: F/a.key holds no certificate in PEM; name a file that does"),
        ({CLIENT: "F/none"}, f"{CLIENT}: F/none cannot be read (No such file or directory); {READABLE}"),
        (
            {CLIENT: "F/a.pem"},
            f"{CLIENT}: F/a.pem {UNFIT} F/a.pem; name one that does",
        ),
        ({CLIENT: "F/a.pem", KEY: "F/none"}, f"{KEY}: F/none cannot be read (No such file or directory); {READABLE}"),
        (
            {CLIENT: "F/a.pem", KEY: "F/text"},
            f"{KEY}: F/text {UNFIT} F/a.pem; name one that does",
        ),
        (
            {CLIENT: "F/b.pem", KEY: "F/a.key"},
            f"{KEY}: F/a.key {UNFIT} F/b.pem; name one that does",
        ),
        (
            {CLIENT: "F/b.pem", KEY: "F/b.key"},
            f"{KEY}: F/b.key {UNFIT} F/b.pem; name one that does",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_variable(
    files: Path, given: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        refuse({name: value.replace("F", str(files)) for name, value in given.items()})
    assert str(raised.value) == sentence.replace("F/", f"{files}/")


def test_the_variable_of_one_signal_is_named(files: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        refuse({CERTIFICATE: f"{files}/a.pem", "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE": f"{files}/none"})
    assert raised.value.where == "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE"
