"""Starts the real servers with the project's own configuration files, in a folder of their own on free ports.

Arguments come from `docker-compose.yml`; only addresses and folders are substituted, and a text that is to be
substituted but is not there is an error. Tempo cannot be built here: a scriptable OTLP receiver stands in its place.
"""

from __future__ import annotations

import random
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.receiver import Receiver
from tests.servers.cache import program
from tests.stack_files.reading import ROOT, services

SERVERS = ("prometheus", "loki", "alertmanager", "otel-collector")
"""Names of services, of their folders in the repository and of their recipes."""

_SECRETS = ("inspector_token", "alert_webhook_url")
_STORAGE = ("prometheus", "alertmanager")
"""Servers that are told their folder by an argument."""
_READY_SECONDS = 90.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class _Ports:
    otlp_http: int
    otlp_grpc: int
    collector_health: int
    collector_metrics: int
    prometheus: int
    loki: int
    loki_grpc: int
    alertmanager: int
    inspector: int


@dataclass(frozen=True)
class Stack:
    """A folder with the configuration of all servers, each of which can be started and stopped in it."""

    folder: Path
    ports: _Ports
    tempo: Receiver
    """Takes the spans in Tempo's place; to be started and stopped like a server."""

    @property
    def otlp(self) -> str:
        """For `OTEL_EXPORTER_OTLP_ENDPOINT`."""
        return f"http://127.0.0.1:{self.ports.otlp_http}"

    @property
    def prometheus(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.ports.prometheus}"

    @property
    def loki(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.ports.loki}"

    @property
    def alertmanager(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.ports.alertmanager}"

    @property
    def inspector_address(self) -> str:
        """`127.0.0.1:port` that Prometheus scrapes: where the proxy's inspector has to listen."""
        return f"127.0.0.1:{self.ports.inspector}"

    @property
    def inspector_token_file(self) -> Path:
        """The token that Prometheus sends to the inspector."""
        return self.secret("inspector_token")

    def secret(self, name: str) -> Path:
        """The file that containers see as `/run/secrets/<name>`."""
        return self.folder / "secrets" / name

    def proxy_environment(self, data: Path) -> dict[str, str]:
        """Variables for a proxy that keeps its ledger in `data`, sends to this collector and is scraped by Prometheus.

        Its relay takes a free port, which stands in `run.json` in the data folder.
        """
        return {
            "ANTHROPIC_PROXY_DATA": str(data),
            "ANTHROPIC_PROXY_RELAY_LISTEN": "127.0.0.1:0",
            "ANTHROPIC_PROXY_INSPECTOR_LISTEN": self.inspector_address,
            "ANTHROPIC_PROXY_INSPECTOR_TOKEN_FILE": str(self.inspector_token_file),
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.otlp,
        }

    @contextmanager
    def running(self, *names: str) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
        """The named servers (see SERVERS), ready to be used, stopped at the end; logs are appended to in the folder.

        Raises RuntimeError with the end of its log for a server that ends at start, TimeoutError for a silent one.
        """
        with ExitStack() as servers:
            processes = {name: servers.enter_context(self._server(name)) for name in names}
            for name, process in processes.items():
                self._wait_ready(name, process)
            yield processes

    @contextmanager
    def _server(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        command = [str(program(name)), *_arguments(name, self.folder, self.ports)]
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT)
            try:
                yield process
            finally:
                _stop(process)

    def _wait_ready(self, name: str, process: subprocess.Popen[bytes]) -> None:
        url = {
            "prometheus": f"{self.prometheus}/-/ready",
            "loki": f"{self.loki}/ready",
            "alertmanager": f"{self.alertmanager}/-/ready",
            "otel-collector": f"http://127.0.0.1:{self.ports.collector_health}/",
        }[name]

        def is_ready() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended at start:\n{self._log(name).read_text(errors='replace')[-2000:]}")
            try:
                with urllib.request.urlopen(url, timeout=2) as response:
                    return bool(response.status == 200)
            except OSError:
                return False

        wait_until(is_ready, f"an answer with status 200 from {url} (see {self._log(name)})", _READY_SECONDS)

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def prepared_stack(folder: Path) -> Stack:
    """Writes the configuration of all servers into the folder; nothing runs yet."""
    stack = Stack(folder, _free_ports(), Receiver())
    (folder / "secrets").mkdir()
    for name in _SECRETS:
        stack.secret(name).write_text(f"the-{name}-of-the-stack-tests\n", encoding="utf-8")
    for name, replacements in _replacements(stack).items():
        (folder / name).mkdir()
        _copy_configuration(ROOT / name, folder / "etc" / name, replacements)
    return stack


def _copy_configuration(source: Path, target: Path, replacements: Mapping[str, str]) -> None:
    """Every file of the service's folder; `config.yaml` with the replacements, all of which it must contain."""
    for path in sorted(source.rglob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(substituted(text, replacements) if path.name == "config.yaml" else text, encoding="utf-8")


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


def _replacements(stack: Stack) -> dict[str, dict[str, str]]:
    """For each server: what stands in its configuration → what stands in the copy."""
    ports, etc = stack.ports, stack.folder / "etc"
    return {
        "prometheus": {
            "/etc/prometheus": str(etc / "prometheus"),
            "/run/secrets": str(stack.folder / "secrets"),
            "proxy:8081": stack.inspector_address,
            "localhost:9090": f"127.0.0.1:{ports.prometheus}",
            "otel-collector:8888": f"127.0.0.1:{ports.collector_metrics}",
            "loki:3100": f"127.0.0.1:{ports.loki}",
            "tempo:3200": f"127.0.0.1:{stack.tempo.port}",
            "alertmanager:9093": f"127.0.0.1:{ports.alertmanager}",
        },
        "loki": {
            "http_listen_address: 0.0.0.0": "http_listen_address: 127.0.0.1",
            "http_listen_port: 3100": f"http_listen_port: {ports.loki}",
            "grpc_listen_port: 9095": f"grpc_listen_port: {ports.loki_grpc}",
            " /loki": f" {stack.folder / 'loki'}",
            "/etc/loki": str(etc / "loki"),
            "http://alertmanager:9093": stack.alertmanager,
        },
        "alertmanager": {
            "/run/secrets": str(stack.folder / "secrets"),
        },
        "otel-collector": {
            "0.0.0.0:4318": f"127.0.0.1:{ports.otlp_http}",
            "0.0.0.0:4317": f"127.0.0.1:{ports.otlp_grpc}",
            "0.0.0.0:13133": f"127.0.0.1:{ports.collector_health}",
            "host: 0.0.0.0, port: 8888": f"host: 127.0.0.1, port: {ports.collector_metrics}",
            "http://prometheus:9090": stack.prometheus,
            "http://loki:3100": stack.loki,
            "http://tempo:4318": stack.tempo.url,
            "/var/lib/otelcol": str(stack.folder / "otel-collector"),
        },
    }


def _arguments(name: str, folder: Path, ports: _Ports) -> list[str]:
    """The command of that service in `docker-compose.yml`, with other paths."""
    paths = {f"/etc/{name}/": f"{folder / 'etc' / name}/"}
    if name in _STORAGE:
        paths |= {f"path=/{name}": f"path={folder / name}"}
    arguments = substituted("\n".join(services()[name].command), paths).split("\n")
    listen = {"prometheus": ports.prometheus, "alertmanager": ports.alertmanager}.get(name)
    return arguments if listen is None else [*arguments, f"--web.listen-address=127.0.0.1:{listen}"]


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_ports() -> _Ports:
    with ExitStack() as sockets:
        opened = [sockets.enter_context(_bound()) for _ in _Ports.__dataclass_fields__]
        return _Ports(*(int(one.getsockname()[1]) for one in opened))


def _bound() -> socket.socket:
    """Below the ports of clients, one of which would have it while the server is away."""
    for port in random.sample(range(20_000, 32_000), 100):
        one = socket.socket()
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            one.close()
        else:
            return one
    raise OSError("no port between 20000 and 32000 is free")
