"""The servers that are compared, each on a core of its own where there are two."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

IDLE_S = 1.0
NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 512; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024; keepalive_requests 1000000;
    location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
                  proxy_request_buffering off; }}
  }}
}}
"""


@dataclass(frozen=True)
class Peer:
    """A running server and the processes whose CPU it costs, by what they do."""

    name: str
    port: int
    processes: dict[str, psutil.Process]

    def settle(self) -> None:
        """Waits until the server has done what a workload left behind: records to commit, signals to send."""
        deadline = time.monotonic() + 60
        while self.processes and time.monotonic() < deadline:
            before = sum(self.cpu().values())
            time.sleep(IDLE_S)
            if sum(self.cpu().values()) - before < 0.04 * IDLE_S:
                return

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by process."""
        return {name: sum(process.cpu_times()[:2]) for name, process in self.processes.items()}


def free_port() -> int:
    """A port that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def upstream(core: int) -> Iterator[int]:
    """The benchmark's upstream; its port."""
    port = free_port()
    with _started([sys.executable, "-m", "benchmarks.upstream", str(port)], core):
        _await(port)
        yield port


@contextlib.contextmanager
def direct(port: int, core: int) -> Iterator[Peer]:
    """No proxy at all."""
    yield Peer("direct", port, {})


@contextlib.contextmanager
def nginx(port: int, core: int) -> Iterator[Peer]:
    """nginx as an unbuffered reverse proxy with pooled upstream connections."""
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    with tempfile.TemporaryDirectory() as folder:
        own = free_port()
        config = Path(folder, "nginx.conf")
        config.write_text(NGINX.format(folder=folder, upstream=port, port=own))
        os.chmod(folder, 0o711)  # noqa: S103  # nginx's worker is another user
        with _started([binary, "-c", str(config), "-p", folder], core) as master:
            _await(own)
            [worker] = psutil.Process(master.pid).children()
            yield Peer("nginx", own, {"worker": worker})


@contextlib.contextmanager
def ours(port: int, core: int) -> Iterator[Peer]:
    """This proxy with everything on: bodies captured, metrics, logs and spans exported."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "anthropic-proxy.toml")
        config.write_text(
            f'[relay]\nlisten = "127.0.0.1:0"\n[inspector]\nlisten = "127.0.0.1:0"\n'
            f'[upstreams.anthropic]\nurl = "http://127.0.0.1:{port}"\n'
        )
        command = [sys.executable, "-m", "proxy", "serve", "--config", str(config), "--data", f"{folder}/data"]
        with _started(command, core, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}"):
            run = _run_file(Path(folder, "data", "run.json"))
            own = int(run["relay"].rsplit(":", 1)[1])
            _await(own)
            processes = {name: psutil.Process(run["processes"][name]) for name in ("relay", "observer")}
            yield Peer("anthropic-proxy", own, processes)


def _run_file(path: Path) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, json.JSONDecodeError):
            return dict(json.loads(path.read_text()))
        time.sleep(0.05)
    raise SystemExit("the proxy did not start within 30 s; run `make run` to see why.")


@contextlib.contextmanager
def _started(command: list[str], core: int, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setaffinity(process.pid, {core})
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _await(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port} after 30 s.")
