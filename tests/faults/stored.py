"""What tests of the ledger ask for and look at: answers that no compressor shortens, and what is kept of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import closing

import httpx

from proxy.ledger.bodies import contents, unpacked
from proxy.ledger.connect import reader
from proxy.ledger.folder import Folder
from tests.kit.conditions import injected
from tests.kit.process import Proxy
from tests.kit.raw import ask, post
from tests.kit.upstream import Talk


class Sized:
    """Upstream script: so many random bytes (100 to 1 MiB) as the request asks for, or one of the known answers."""

    def __init__(self, *known: bytes) -> None:
        self._known = known
        self._random = os.urandom(1 << 20)

    def __call__(self, talk: Talk) -> None:
        """Answer one request."""
        [size], [number] = talk.seen.values(b"x-test-size"), talk.seen.values(b"x-test-known")
        if int(size):
            # Nothing that could be the beginning of JSON, which would be an answer that was cut.
            own = b"\xff" + os.urandom(99)
            talk.answer(own + self._random[: int(size) - len(own)], content_type="application/octet-stream")
        else:
            talk.answer(self._known[int(number)])


def sized(size: int, known: int = 0) -> bytes:
    """A request for an answer of so many bytes; of none: for a known one."""
    headers = f"X-Test-Size: {size}\r\nX-Test-Known: {known}\r\n"
    return post("/v1/messages", b'{"model":"claude-sonnet-4-6"}', headers)


def answered(proxy: Proxy, number: int, size: int) -> bool:
    """Asks so many times for so many bytes; whether every answer came whole."""
    replies = [ask(proxy.base_url, sized(size)) for _ in range(number)]
    return all((reply.status, reply.ended, len(reply.body)) == (200, True, size) for reply in replies)


def degraded(url: str) -> list[str]:
    """What `/readyz` reports, which is never out of service for trouble with recording."""
    answer = httpx.get(url + "/readyz", trust_env=False, timeout=10)
    assert answer.status_code == 200
    return list(answer.json()["degraded"])


@contextlib.contextmanager
def stalled(pid: int) -> Iterator[None]:
    """The disk takes nothing from a process while the block runs: the next flush does not return."""
    with contextlib.ExitStack() as held:
        tracer = held.enter_context(injected(pid, "fdatasync:delay_enter=600s"))
        yield
        # Told to end, it would see the delay through.
        tracer.kill()


def ledger_size(proxy: Proxy) -> int:
    """Bytes of the ledger with its log."""
    return (proxy.data / "ledger.sqlite3").stat().st_size + log_size(proxy)


def log_size(proxy: Proxy) -> int:
    """Bytes of the ledger's write-ahead log."""
    return (proxy.data / "ledger.sqlite3-wal").stat().st_size


def stored_bodies(proxy: Proxy) -> set[bytes]:
    """Every body that the ledger has."""
    with closing(reader(Folder(proxy.data).ledger)) as conn:
        return {b"".join(piece for part in parts() for piece in unpacked(part)) for *_, parts in contents(conn)}
