"""The proxy once for each of its parsers, with short time-outs, and what tests of group A ask of both."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from proxy.exchange import Hop
from proxy.ledger.connect import reader
from proxy.ledger.queries import headers
from tests.kit import laws
from tests.kit.process import Proxy, Row, wait
from tests.kit.raw import Connection, Reply
from tests.kit.upstream import Upstream, ok
from tests.relay.conftest import FAST, Relayed

PARSERS = ("zttp", "h11")
MAX_BODY = 33 << 20
LIMITS = f"client_header_timeout = 1.5\nkeep_alive_timeout = 3\nmax_body = {MAX_BODY}\n"
HOST = b"Host: localhost\r\n"
POST = b"POST /v1/messages HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@contextlib.contextmanager
def running(folder: Path, parser: str, *, relay: str = "", rest: str = "") -> Iterator[Relayed]:
    """A proxy with this parser and an upstream behind it; ends with the laws."""
    upstream = Upstream()
    with upstream.running():
        proxy = Proxy(folder, upstream.url, relay=f'parser = "{parser}"\n{FAST}{LIMITS}{relay}', rest=rest)
        with proxy.running():
            yield Relayed(proxy, upstream)
            laws.check(proxy)


@dataclass
class Fresh(Relayed):
    """A proxy as one test finds it."""

    since: str
    """The newest request id before the test."""

    def ended(self, outcome: str, count: int = 1) -> list[Row]:
        """The records of the test, oldest first, once there are so many and all have this outcome."""
        sql = "SELECT * FROM exchanges WHERE request_id > ? ORDER BY request_id"
        wait(lambda: self._outcomes(sql) == [outcome] * count, f"{count} times {outcome}")
        return self.proxy.rows(sql, self.since)

    def _outcomes(self, sql: str) -> list[str | None]:
        return [row["outcome"] for row in self.proxy.rows(sql, self.since)]


def fresh(installation: Relayed) -> Iterator[Fresh]:
    """The same with a fresh script, for one test."""
    installation.upstream.script, installation.upstream.early = ok, None
    installation.upstream.seen.clear()
    [newest] = installation.proxy.rows("SELECT max(request_id) AS request_id FROM exchanges")
    yield Fresh(installation.proxy, installation.upstream, newest["request_id"] or "")


def parser_of(relayed: Relayed) -> str:
    """Which parser a proxy was told to use."""
    return str(tomllib.loads(relayed.proxy.config.read_text())["relay"]["parser"])


def client_headers(proxy: Proxy, reply: Reply) -> list[tuple[str, str]]:
    """The client's headers as the ledger has them, once the request is over."""
    assert reply.request_id is not None
    proxy.exchange(reply.request_id)
    with contextlib.closing(reader(proxy.data / "ledger.sqlite3")) as conn:
        return list(headers(conn, reply.request_id)[Hop.CLIENT_REQUEST])


def chunks(parts: list[bytes]) -> bytes:
    """A chunked body."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def refused(relayed: Relayed, request: bytes, *statuses: int) -> Reply:
    """Asserts that a request is refused, nothing of it goes upstream and its connection is closed; the answer.

    A refusal with a request id is a record with the outcome `rejected`; one without is the parser's.
    """
    with relayed.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.send(request)
        reply = connection.reply(head_only=request.startswith(b"HEAD "))
        assert reply.status in statuses, reply
        assert connection.closed()
    assert relayed.upstream.seen == []
    if reply.request_id:
        assert relayed.proxy.exchange(reply.request_id)["outcome"] == "rejected"
    assert reply.value(b"x-proxy-error")
    return reply


def still_serves(relayed: Relayed, connection: Connection) -> None:
    """Asserts that a connection is good for another request."""
    relayed.upstream.seen.clear()
    connection.send(POST + b"Content-Length: 2\r\n\r\n{}")
    assert connection.reply().status == 200
    assert relayed.last.body == b"{}"
