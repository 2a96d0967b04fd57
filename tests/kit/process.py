"""The product as its users run it: real processes on free ports in a folder of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.kit.raw import ask, get

Row = dict[str, Any]

SCALED = """
[relay]
listen = "127.0.0.1:0"
{relay}
[inspector]
listen = "127.0.0.1:0"
[upstreams.anthropic]
url = "{url}"
{rest}
"""

SMALL = {"ANTHROPIC_PROXY_RETENTION_RESERVE": "65536"}
"""Hundreds of installations of tests need no reserve of 32 MB each."""


def wait(condition: Callable[[], object], what: str, timeout: float = 20.0) -> None:
    """Waits until `condition()` is true; fails naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout:.0f} s in vain: {what}"
        time.sleep(0.02)


def refuses(url: str) -> bool:
    """Whether nobody is let in there who is not in already."""
    try:
        return ask(url, get("/readyz")).status != 200
    except OSError:
        return True


class Proxy:
    """One installation: data folder, settings file, supervisor."""

    def __init__(
        self,
        folder: Path,
        upstream: str,
        *,
        relay: str = "",
        rest: str = "",
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        arguments: Sequence[str] = (),
    ) -> None:
        """`relay` and `rest` go into the settings file, `arguments` behind the command, `prefix` (a program that
        runs another one, from `tests.kit.conditions`) before it."""
        self.folder = folder
        self.data = folder / "data"
        self.output = folder / "output.log"
        self.config = folder / "anthropic-proxy.toml"
        self.config.write_text(SCALED.format(url=upstream, relay=relay, rest=rest))
        self._env = {**_clean_environment(), **SMALL, **(env or {})}
        self._prefix = prefix
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def running(self, *, command: str = "serve") -> Iterator[Proxy]:
        """Serves while the block runs, then drains; the exit code must be 0."""
        self.start(command)
        try:
            yield self
        finally:
            code = self.stop()
        assert code == 0, self.said()

    def start(self, command: str = "serve") -> None:
        """Starts the supervisor and waits until both ports answer."""
        (self.data / "run.json").unlink(missing_ok=True)
        product = [sys.executable, "-m", "proxy", command, "--config", str(self.config), "--data", str(self.data)]
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [*self._prefix, *product, *self._arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self._env,
            )
        wait(self._ready, "the proxy to be ready", 30)

    def stop(self, how: signal.Signals = signal.SIGTERM, timeout: float = 30) -> int:
        """Signals the supervisor and waits for its end; the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    @property
    def run(self) -> Row:
        """`run.json`: addresses, token file, process ids."""
        return dict(json.loads((self.data / "run.json").read_text()))

    @property
    def base_url(self) -> str:
        """What a client would put into ANTHROPIC_BASE_URL."""
        return str(self.run["relay"])

    @property
    def inspector_url(self) -> str:
        """Base URL of pages and API."""
        return str(self.run["inspector"])

    @property
    def token(self) -> str:
        """The API token."""
        return Path(self.run["token_file"]).read_text().strip()

    def pid(self, name: str) -> int:
        """Process id of `supervisor`, `observer`, `relay` or, where there are several, `relay-1`…"""
        return int(self.run["processes"][name])

    @property
    def relays(self) -> list[str]:
        """The names of the relay processes that run."""
        return [name for name in self.run["processes"] if name.startswith("relay")]

    def kill(self, name: str) -> int:
        """Ends a process as kill -9 does; the process id that it had."""
        number = self.pid(name)
        os.kill(number, signal.SIGKILL)
        return number

    def replaced(self, name: str, old: int) -> int:
        """Waits until a child that ended runs again; its new process id."""
        wait(lambda: self.run["processes"].get(name, old) != old, f"a new {name}", 60)
        return self.pid(name)

    @contextlib.contextmanager
    def suspended(self, name: str) -> Iterator[int]:
        """A process that does not run at all while the block does."""
        number = self.pid(name)
        os.kill(number, signal.SIGSTOP)
        try:
            yield number
        finally:
            os.kill(number, signal.SIGCONT)

    def api(self, path: str, **parameters: str) -> Row:
        """One GET of the JSON API."""
        with self.client() as client:
            answer = client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def client(self) -> httpx.Client:
        """A client of the API, signed in by token."""
        return httpx.Client(
            base_url=self.inspector_url,
            headers={"authorization": f"Bearer {self.token}"},
            timeout=20,
            transport=httpx.HTTPTransport(retries=2),
            trust_env=False,
        )

    def metrics(self) -> str:
        """The text of `/metrics`."""
        with self.client() as client:
            return client.get("/metrics").text

    def said(self) -> str:
        """All that the processes printed."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def rows(self, sql: str = "SELECT * FROM exchanges ORDER BY request_id", *values: object) -> list[Row]:
        """Rows of the ledger, read from outside."""
        with contextlib.closing(sqlite3.connect(f"file:{self.data}/ledger.sqlite3?mode=ro", uri=True)) as conn:
            conn.row_factory = sqlite3.Row
            return [dict(row) for row in conn.execute(sql, values)]

    def finished(self, count: int, timeout: float = 20.0) -> list[Row]:
        """Waits until exactly `count` requests are finished; their rows, oldest first."""
        wait(lambda: self._closed() >= count, f"{count} finished requests", timeout)
        rows = self.rows("SELECT * FROM exchanges WHERE outcome IS NOT NULL ORDER BY request_id")
        assert len(rows) == count, [row["path"] for row in rows]
        return rows

    def exchange(self, request_id: str | None) -> Row:
        """The row of one request, once it is finished."""
        assert request_id is not None
        sql = "SELECT * FROM exchanges WHERE request_id = ? AND outcome IS NOT NULL"
        wait(lambda: self.rows(sql, request_id), f"the record of {request_id}")
        return self.rows(sql, request_id)[0]

    def _closed(self) -> int:
        return int(self.rows("SELECT count(*) AS n FROM exchanges WHERE outcome IS NOT NULL")[0]["n"])

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.said()
        if not (self.data / "run.json").exists():
            return False
        with contextlib.suppress(httpx.HTTPError, json.JSONDecodeError, KeyError):
            urls = [self.base_url + "/readyz", self.inspector_url + "/readyz"]
            return all(httpx.get(url, trust_env=False).status_code == 200 for url in urls)
        return False


def _clean_environment() -> dict[str, str]:
    """This process's environment without what would configure the proxy."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "OTEL_"))}
