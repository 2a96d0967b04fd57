"""HAProxy and nginx from Debian as judges beside the gate: reverse proxies with their default strictness."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import free_port
from tests.kit.process import wait

HEAD_S = 2
"""How long either waits for the head of a request, or for the next byte of its body."""

HAPROXY = """
global
    maxconn 200
defaults
    mode http
    timeout connect 5s
    timeout server 5s
    timeout client {seconds}s
    timeout http-request {seconds}s
    timeout http-keep-alive {seconds}s
listen front
    bind 127.0.0.1:{port}
    server upstream 127.0.0.1:{upstream}
"""

NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 200; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_header_timeout {seconds}s;
    client_body_timeout {seconds}s;
    keepalive_timeout {seconds}s;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


@contextlib.contextmanager
def haproxy(folder: Path, upstream: int) -> Iterator[tuple[str, int]]:
    """HAProxy in front of a port of this machine; its address."""
    port = free_port()
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(seconds=HEAD_S, port=port, upstream=upstream).lstrip())
    with _running(["haproxy", "-db", "-f", str(config)], folder / "haproxy.log", port) as where:
        yield where


@contextlib.contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[tuple[str, int]]:
    """nginx in front of a port of this machine; its address."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(seconds=HEAD_S, port=port, upstream=upstream, folder=folder))
    with _running(["nginx", "-p", str(folder), "-c", str(config)], folder / "nginx.log", port) as where:
        yield where


def versions() -> tuple[str, str]:
    """Of HAProxy and nginx, as `2.6.12` and `1.22.1`."""
    first = subprocess.run(["haproxy", "-v"], capture_output=True, text=True, check=True).stdout.split()[2]
    second = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr.split("/")[1].split()[0]
    return first.partition("-")[0], second


@contextlib.contextmanager
def _running(command: list[str], log: Path, port: int) -> Iterator[tuple[str, int]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        wait(lambda: _answers(port) or process.poll() is not None, f"{command[0]} to listen")
        assert process.poll() is None, log.read_text()
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
