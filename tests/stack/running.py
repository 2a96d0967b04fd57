"""Starts the real servers with the project's own configuration files, in a folder of their own on free ports.

Arguments come from `docker-compose.yml`; only addresses and folders are substituted, and a text that is to be
substituted but is not there is an error.
"""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.servers.cache import program

ROOT = Path(__file__).resolve().parents[2]
_READY_SECONDS = 90.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Stack:
    """Where the running servers are; every address is `http://127.0.0.1:port` without a path."""

    folder: Path
    otlp: str
    """For `OTEL_EXPORTER_OTLP_ENDPOINT`."""
    prometheus: str
    loki: str
    inspector_address: str
    """`127.0.0.1:port` that Prometheus scrapes: where the proxy's inspector has to listen."""
    inspector_token_file: Path
    """The token that Prometheus sends there."""
    spans: Path
    """Lines of OTLP JSON that the collector writes."""


def substituted(text: str, replacements: Mapping[str, str]) -> str:
    """The text with every key replaced wherever it stands; LookupError for a key that stands nowhere."""
    for old, new in replacements.items():
        if old not in text:
            raise LookupError(f"{old!r} does not occur, so it cannot be replaced by {new!r}")
        text = text.replace(old, new)
    return text


def wait_until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Returns when the condition holds; TimeoutError naming `what` after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.1)


class _Service(msgspec.Struct):
    command: list[str] = []


class _Compose(msgspec.Struct):
    services: dict[str, _Service]


@dataclass(frozen=True)
class _Server:
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def running_stack(folder: Path) -> Iterator[Stack]:
    """Collector, Prometheus and Loki, ready to be used, stopped at the end; their logs are in the folder."""
    names = ("http", "grpc", "health", "telemetry", "prometheus", "loki", "loki_grpc", "inspector")
    port = dict(zip(names, _free_ports(len(names)), strict=True))
    token_file = folder / "inspector_token"
    token_file.write_text("a-token-for-the-stack-tests\n", encoding="utf-8")
    with ExitStack() as servers:
        prometheus = servers.enter_context(_prometheus(folder, port, token_file))
        loki = servers.enter_context(_loki(folder, port))
        collector = servers.enter_context(_collector(folder, port))
        _wait_ready(prometheus, f"http://127.0.0.1:{port['prometheus']}/-/ready")
        _wait_ready(collector, f"http://127.0.0.1:{port['health']}/")
        _wait_ready(loki, f"http://127.0.0.1:{port['loki']}/ready")
        yield Stack(
            folder=folder,
            otlp=f"http://127.0.0.1:{port['http']}",
            prometheus=f"http://127.0.0.1:{port['prometheus']}",
            loki=f"http://127.0.0.1:{port['loki']}",
            inspector_address=f"127.0.0.1:{port['inspector']}",
            inspector_token_file=token_file,
            spans=folder / "otel-collector" / "spans" / "spans.jsonl",
        )


@contextmanager
def _prometheus(folder: Path, port: Mapping[str, int], token_file: Path) -> Iterator[_Server]:
    config = _configured(
        folder,
        "prometheus",
        {
            "/run/secrets/inspector_token": str(token_file),
            "proxy:8081": f"127.0.0.1:{port['inspector']}",
            "localhost:9090": f"127.0.0.1:{port['prometheus']}",
            "otel-collector:8888": f"127.0.0.1:{port['telemetry']}",
            "loki:3100": f"127.0.0.1:{port['loki']}",
        },
    )
    paths = {"/etc/prometheus/config.yaml": str(config), "=/prometheus": f"={folder / 'prometheus'}"}
    listen = f"--web.listen-address=127.0.0.1:{port['prometheus']}"
    with _server(folder, "prometheus", [*_arguments("prometheus", paths), listen]) as server:
        yield server


@contextmanager
def _loki(folder: Path, port: Mapping[str, int]) -> Iterator[_Server]:
    config = _configured(
        folder,
        "loki",
        {
            "http_listen_address: 0.0.0.0": "http_listen_address: 127.0.0.1",
            "http_listen_port: 3100": f"http_listen_port: {port['loki']}",
            "grpc_listen_port: 9095": f"grpc_listen_port: {port['loki_grpc']}",
            " /loki": f" {folder / 'loki'}",
        },
    )
    with _server(folder, "loki", _arguments("loki", {"/etc/loki/config.yaml": str(config)})) as server:
        yield server


@contextmanager
def _collector(folder: Path, port: Mapping[str, int]) -> Iterator[_Server]:
    config = _configured(
        folder,
        "otel-collector",
        {
            "0.0.0.0:4318": f"127.0.0.1:{port['http']}",
            "0.0.0.0:4317": f"127.0.0.1:{port['grpc']}",
            "0.0.0.0:13133": f"127.0.0.1:{port['health']}",
            "host: 0.0.0.0, port: 8888": f"host: 127.0.0.1, port: {port['telemetry']}",
            "prometheus:9090": f"127.0.0.1:{port['prometheus']}",
            "loki:3100": f"127.0.0.1:{port['loki']}",
            "/var/lib/otelcol": str(folder / "otel-collector"),
        },
    )
    with _server(
        folder, "otel-collector", _arguments("otel-collector", {"/etc/otelcol/config.yaml": str(config)})
    ) as server:
        yield server


def _configured(folder: Path, name: str, replacements: Mapping[str, str]) -> Path:
    """A copy of the server's configuration with other addresses and folders."""
    (folder / name).mkdir()
    copy = folder / f"{name}.yaml"
    original = (ROOT / name / "config.yaml").read_text(encoding="utf-8")
    copy.write_text(substituted(original, replacements), encoding="utf-8")
    return copy


def _arguments(name: str, paths: Mapping[str, str]) -> list[str]:
    """The command of that service in `docker-compose.yml`, with other paths."""
    compose = msgspec.yaml.decode((ROOT / "docker-compose.yml").read_bytes(), type=_Compose)
    return substituted("\n".join(compose.services[name].command), paths).split("\n")


@contextmanager
def _server(folder: Path, name: str, arguments: list[str]) -> Iterator[_Server]:
    path = folder / f"{name}.log"
    with path.open("wb") as log:
        process = subprocess.Popen([program(name), *arguments], cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield _Server(process, path)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_ready(server: _Server, url: str) -> None:
    def is_ready() -> bool:
        if server.process.poll() is not None:
            raise RuntimeError(f"ended at start:\n{server.log.read_text(errors='replace')[-2000:]}")
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    wait_until(is_ready, f"an answer with status 200 from {url} (see {server.log})", _READY_SECONDS)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as sockets:
        opened = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in opened:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in opened]
