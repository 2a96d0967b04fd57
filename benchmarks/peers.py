"""The servers that are compared: how each is started, and the processes whose CPU it costs."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks import environments
from benchmarks.processes import await_port, cpu_s, free_port, rss_mb, started

PRODUCT = "anthropic-proxy"
_IDLE_S = 0.5
_NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder}; client_body_buffer_size 512k; client_max_body_size 64m;
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 512; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096 {listen}; keepalive_requests 10000000; {server}
    location / {{ proxy_pass {scheme}://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
                  proxy_request_buffering off; proxy_ssl_session_reuse on; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a peer sends what it gets."""

    port: int
    tls: bool
    authority: Path
    """Certificate that a TLS upstream is trusted by."""

    @property
    def url(self) -> str:
        """Base URL."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Peer:
    """A running server."""

    port: int
    pids: dict[str, int]
    """Its processes by what they do."""
    path: str = "/v1/messages"

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by process."""
        return {name: cpu_s(pid) for name, pid in self.pids.items()}

    def rss(self) -> dict[str, float]:
        """Resident memory in MB, by process."""
        return {name: rss_mb(pid) for name, pid in self.pids.items()}

    def settle(self) -> None:
        """Waits until it has done what a workload left behind: records to commit, signals to send."""
        deadline = time.monotonic() + 120
        while self.pids and time.monotonic() < deadline:
            before = sum(self.cpu().values())
            time.sleep(_IDLE_S)
            if sum(self.cpu().values()) - before < 0.04 * _IDLE_S:
                return


@dataclass(frozen=True, slots=True)
class Kind:
    """A server to compare with, and what must be known of it to read its figures."""

    name: str
    start: Callable[[Upstream, Upstream, int], AbstractContextManager[Peer]]
    """Starts it, given its upstream, where telemetry goes, and its core."""
    lacks: str
    """What it does not do that the others do."""
    share: float = 1.0
    """Of the requests of a workload: slow servers are asked less."""
    tls: bool = True
    """Whether it takes part where the upstream speaks TLS."""


@contextlib.contextmanager
def _direct(upstream: Upstream, telemetry: Upstream, core: int) -> Iterator[Peer]:
    yield Peer(upstream.port, {})


@contextlib.contextmanager
def nginx(upstream: Upstream, telemetry: Upstream, core: int, *, listen: str = "", server: str = "") -> Iterator[Peer]:
    """nginx as an unbuffered reverse proxy with pooled upstream connections."""
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o711)  # nginx's worker is another user
        scheme = "https" if upstream.tls else "http"
        config = _NGINX.format(
            folder=folder, upstream=upstream.port, port=port, scheme=scheme, listen=listen, server=server
        )
        folder.joinpath("nginx.conf").write_text(config)
        with started([binary, "-c", f"{folder}/nginx.conf", "-p", name], core) as master:
            await_port(port)
            [worker] = psutil.Process(master.pid).children()
            yield Peer(port, {"worker": worker.pid})


@contextlib.contextmanager
def _ours(upstream: Upstream, telemetry: Upstream, core: int, *, everything: bool) -> Iterator[Peer]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "anthropic-proxy.toml"
        config.write_text(
            f'[relay]\nlisten = "127.0.0.1:0"\n[inspector]\nlisten = "127.0.0.1:0"\n'
            f'[capture]\nbodies = "{"all" if everything else "none"}"\n[upstreams.anthropic]\nurl = "{upstream.url}"\n'
        )
        environment = {"SSL_CERT_FILE": str(upstream.authority)}
        if everything:
            environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = telemetry.url
        command = [environments.own_python(), "-m", "proxy", "serve", "--config", str(config), "--data", f"{name}/data"]
        with started(command, core, environment, folder / "log"):
            run = _run_file(folder / "data" / "run.json")
            port = int(run["relay"].rsplit(":", 1)[1])
            await_port(port)
            yield Peer(port, {role: run["processes"][role] for role in ("relay", "observer")})


@contextlib.contextmanager
def _litellm(upstream: Upstream, telemetry: Upstream, core: int) -> Iterator[Peer]:
    with tempfile.TemporaryDirectory() as name:
        config, port = Path(name, "config.yaml"), free_port()
        config.write_text("model_list: []\nlitellm_settings:\n  telemetry: false\n")
        program = environments.program("litellm")
        command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
        environment = {
            "ANTHROPIC_API_KEY": "sk-ant-api03-benchmark",
            "ANTHROPIC_API_BASE": upstream.url,
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOG": "ERROR",
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        }
        with started(command, core, environment) as process:
            await_port(port)
            yield Peer(port, {"server": process.pid}, "/anthropic/v1/messages")


@contextlib.contextmanager
def _mitmproxy(upstream: Upstream, telemetry: Upstream, core: int) -> Iterator[Peer]:
    port = free_port()
    program = environments.program("mitmdump")
    listen = ("--listen-host", "127.0.0.1", "--listen-port", str(port))
    with started(
        [program, "-q", "--mode", f"reverse:{upstream.url}", *listen, "--set", "stream_large_bodies=1"], core
    ) as process:
        await_port(port)
        yield Peer(port, {"server": process.pid})


def _run_file(path: Path) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, json.JSONDecodeError):
            return dict(json.loads(path.read_text()))
        time.sleep(0.05)
    raise SystemExit("the proxy did not start within 60 s; run `make run` to see why.")


KINDS = (
    Kind("direct", _direct, "is no proxy: the client asks the upstream itself", tls=False),
    Kind("nginx", nginx, "keeps no record, reads no tokens, exports nothing"),
    Kind(
        f"{PRODUCT} bare",
        lambda upstream, telemetry, core: _ours(upstream, telemetry, core, everything=False),
        "keeps no bodies and exports nothing; still records every call with tokens and cost",
    ),
    Kind(
        PRODUCT,
        lambda upstream, telemetry, core: _ours(upstream, telemetry, core, everything=True),
        "nothing: keeps bodies, exports metrics, logs and spans",
    ),
    Kind(
        "LiteLLM",
        _litellm,
        "pass-through route, no database: keeps no bodies; its telemetry is off; one worker",
        share=0.05,
        tls=False,
    ),
    Kind(
        "mitmproxy", _mitmproxy, "streams bodies without keeping them; no tokens, no telemetry", share=0.25, tls=False
    ),
)
