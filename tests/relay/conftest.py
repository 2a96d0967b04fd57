"""One proxy for the tests of a module, its upstream scripted anew by each test; the laws hold after each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit import laws
from tests.kit.process import Proxy
from tests.kit.raw import Connection, Reply, address, ask
from tests.kit.upstream import Seen, Upstream, ok

FAST = """
connect_timeout = 1
header_timeout = 1
idle_timeout = 1
upload_idle_timeout = 1.5
client_stall_timeout = 1.5
"""
ENDPOINTS = """
[endpoints.default]
path = ""
[endpoints.staging]
path = "/staging"
"""


@dataclass
class Relayed:
    """A proxy and the upstream behind it."""

    proxy: Proxy
    upstream: Upstream

    def ask(self, request: bytes) -> Reply:
        """One request on a connection of its own."""
        return ask(self.proxy.base_url, request)

    def connect(self) -> Connection:
        """A connection to the relay."""
        return Connection(address(self.proxy.base_url))

    @property
    def last(self) -> Seen:
        """The newest request that the upstream saw."""
        return self.upstream.seen[-1]


@contextlib.contextmanager
def relaying(folder: Path, *, relay: str = FAST, rest: str = ENDPOINTS) -> Iterator[Relayed]:
    """A running proxy, with short time-outs unless told otherwise, and its upstream."""
    upstream = Upstream()
    with upstream.running():
        proxy = Proxy(folder, upstream.url, relay=relay, rest=rest)
        with proxy.running():
            yield Relayed(proxy, upstream)


@contextlib.contextmanager
def afresh(installation: Relayed) -> Iterator[Relayed]:
    """The same with a fresh script; ends with the laws."""
    installation.upstream.script, installation.upstream.early = ok, None
    installation.upstream.seen.clear()
    yield installation
    installation.upstream.early = None
    laws.check(installation.proxy)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    """A running proxy with short time-outs."""
    with relaying(tmp_path_factory.mktemp("proxy")) as running:
        yield running


@pytest.fixture
def relayed(installation: Relayed) -> Iterator[Relayed]:
    """The module's proxy with a fresh script; ends with the laws."""
    with afresh(installation) as fresh:
        yield fresh
