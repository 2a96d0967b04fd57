"""One process of the product without a supervisor."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx

from tests.kit.process import Proxy, wait


@contextlib.contextmanager
def alone(proxy: Proxy, command: str) -> Iterator[subprocess.Popen[bytes]]:
    """`relay` or `observe` without a supervisor while the block runs, unless it is killed there."""
    role = [sys.executable, "-m", "proxy", command, "--config", str(proxy.config), "--data", str(proxy.data)]
    with proxy.output.open("ab") as output:
        process = subprocess.Popen(role, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=proxy._env)
    room = {"relay": "relay", "observe": "inspector"}[command]
    try:
        wait(lambda: _answers(proxy, process, room), f"{command} to answer")
        yield process
    finally:
        process.terminate()
        code = process.wait(30)
    assert code in (0, -signal.SIGKILL), proxy.said()


def _answers(proxy: Proxy, process: subprocess.Popen[bytes], room: str) -> bool:
    assert process.poll() is None, proxy.said()
    with contextlib.suppress(OSError, ValueError, KeyError, httpx.HTTPError):
        return httpx.get(proxy.run[room] + "/healthz", trust_env=False).status_code == 200
    return False
