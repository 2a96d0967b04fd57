"""One proxy for the tests of a module, its upstream scripted anew by each test; the laws hold after each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    """A running proxy with short time-outs."""
    upstream = Upstream()
    with upstream.running():
        proxy = Proxy(tmp_path_factory.mktemp("proxy"), upstream.url, relay=FAST, rest=ENDPOINTS)
        with proxy.running():
            yield Relayed(proxy, upstream)


@pytest.fixture
def relayed(installation: Relayed) -> Iterator[Relayed]:
    """The module's proxy with a fresh script; ends with the laws."""
    installation.upstream.script = ok
    installation.upstream.seen.clear()
    yield installation
    laws.check(installation.proxy)
