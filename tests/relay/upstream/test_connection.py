"""One connection to an upstream, against real sockets: back-pressure, uploads, being given back, being cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Sequence

import pytest

from proxy.relay.errors import UpstreamTruncated
from proxy.relay.upstream.client import Client, Connecting
from proxy.relay.upstream.connection import Response
from proxy.serving.process import run
from tests.kit.process import wait
from tests.kit.upstream import Talk, Upstream

MIB = 1 << 20


class Upload:
    """A body that arrives piece by piece; an empty piece ends it, None breaks it off."""

    def __init__(self, *pieces: bytes | None) -> None:
        self.coming: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.arrived: list[bytes] = []
        self.complete = False
        self.was_sent = False
        for piece in pieces:
            self.coming.put_nowait(piece)

    def so_far(self) -> Sequence[bytes]:
        return tuple(self.arrived)

    async def more(self) -> bytes | None:
        piece = await self.coming.get()
        self.complete = piece == b""
        if piece:
            self.arrived.append(piece)
        return piece

    def sent(self) -> None:
        self.was_sent = True


class Whole:
    """A body that is there."""

    complete = True

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.was_sent = False

    def so_far(self) -> Sequence[bytes]:
        return self.pieces

    async def more(self) -> bytes | None:
        raise AssertionError

    def sent(self) -> None:
        self.was_sent = True


def talking(upstream: Upstream, conversation: Callable[[Client, str], Awaitable[None]]) -> None:
    """Runs a conversation with a client against a scripted upstream."""

    async def main() -> None:
        client = Client(asyncio.get_running_loop(), connect_timeout=5)
        async with asyncio.timeout(30):
            await conversation(client, upstream.url)
        await client.close()
        await asyncio.sleep(0.01)  # what was broken off is closed in the next turn of the loop

    with upstream.running():
        run(main())


async def whole(response: Response) -> bytes:
    parts = []
    while not response.ended:
        parts.append(await response.read())
    response.close()
    return b"".join(parts)


async def post(client: Client, url: str, body: Upload | Whole, *headers: tuple[bytes, bytes]) -> Response:
    return await client.send("POST", url, "/v1/messages", headers, body, Connecting())


def echo(talk: Talk) -> None:
    talk.answer(talk.seen.body)


def test_a_body_of_known_length_is_sent_as_it_is_and_a_growing_one_in_chunks() -> None:
    upstream = Upstream(script=echo)

    async def conversation(client: Client, url: str) -> None:
        known = Whole(b"ab", b"cd")
        assert await whole(await post(client, url, known)) == b"abcd"
        growing = Upload(b"ef", b"gh", b"")
        assert await whole(await post(client, url, growing)) == b"efgh"
        declared = Upload(b"ij", b"")
        assert await whole(await post(client, url, declared, (b"content-length", b"2"))) == b"ij"
        assert known.was_sent
        assert growing.was_sent
        assert declared.was_sent

    talking(upstream, conversation)
    framing = [[field for field in seen.headers if field[0] != b"host"] for seen in upstream.seen]
    assert framing == [[(b"content-length", b"4")], [(b"transfer-encoding", b"chunked")], [(b"content-length", b"2")]]
    assert upstream.connections == 1


def test_an_upload_waits_for_an_upstream_that_does_not_read() -> None:
    reading = threading.Event()

    def late(talk: Talk) -> None:
        reading.wait(10)

    async def conversation(client: Client, url: str) -> None:
        upload = Upload(*[b"a" * MIB] * 64, b"")
        asking = asyncio.create_task(post(client, url, upload, (b"content-length", b"%d" % (64 * MIB))))
        taken = -1
        while taken != len(upload.arrived):
            taken = len(upload.arrived)
            await asyncio.sleep(0.3)
        assert taken < 32
        reading.set()
        assert await whole(await asking) == b'{"ok":true}'
        assert len(upload.arrived) == 64

    talking(Upstream(early=late), conversation)


def test_an_answer_is_heard_though_the_upstream_hung_up_before_the_next_piece_was_written() -> None:
    go, answered = threading.Event(), threading.Event()

    def refuse(talk: Talk) -> None:
        go.wait(10)
        talk.answer(b"no", status="401 No")
        talk.reset()
        answered.set()

    def until_answered() -> None:
        """Stops the loop: what comes lies unread when the next piece is written."""
        go.set()
        answered.wait(10)

    async def conversation(client: Client, url: str) -> None:
        upload = Upload()
        asking = asyncio.create_task(post(client, url, upload, (b"content-length", b"10")))
        await asyncio.to_thread(wait, lambda: upstream.connections == 1, "the connection")
        asyncio.get_running_loop().call_soon(until_answered)
        upload.coming.put_nowait(b"a")
        response = await asking
        assert response.status == 401
        assert await whole(response) == b"no"

    upstream = Upstream(early=refuse)
    talking(upstream, conversation)


def test_an_upload_that_breaks_off_breaks_the_connection() -> None:
    upstream = Upstream()

    async def conversation(client: Client, url: str) -> None:
        asking = asyncio.create_task(post(client, url, Upload(b"abc", None), (b"content-length", b"10")))
        await asyncio.wait([asking])
        assert asking.exception() is not None
        await asyncio.to_thread(wait, lambda: upstream.seen and upstream.seen[0].closed_at is not None, "the end")

    talking(upstream, conversation)
    assert not upstream.seen[0].complete


def test_an_answer_that_nobody_takes_holds_the_upstream_back_and_is_then_read_whole() -> None:
    passed: list[int] = []

    def flood(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (32 * MIB))
        for _ in range(32):
            talk.send(b"a" * MIB)
            passed.append(MIB)

    async def conversation(client: Client, url: str) -> None:
        response = await post(client, url, Whole(b"{}"))
        seen = -1
        while seen != len(passed):
            seen = len(passed)
            await asyncio.sleep(0.3)
        assert seen < 16
        assert len(await whole(response)) == 32 * MIB

    talking(Upstream(script=flood), conversation)


def test_the_middle_of_a_body_can_be_taken_without_waking_who_waits_and_its_end_cannot() -> None:
    taken = threading.Semaphore(0)

    def script(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        for chunk in (b"1\r\nb\r\n1\r\nc\r\n", b"1\r\nd\r\n", b"1\r\ne\r\n0\r\n\r\n"):
            taken.acquire(timeout=10)
            talk.send(chunk)

    async def conversation(client: Client, url: str) -> None:
        offered: list[bytes] = []

        def offer(piece: bytes) -> bool:
            offered.append(piece)
            taken.release()
            return piece != b"d"

        response = await post(client, url, Whole(b"{}"))
        assert await response.read(offer) == b"a"
        taken.release()
        assert await response.read(offer) == b"d"
        assert offered == [b"bc", b"d"]
        assert await response.read(offer) == b"e"
        assert offered == [b"bc", b"d"]
        assert response.ended
        response.close()

    talking(Upstream(script=script), conversation)


def test_what_has_arrived_is_handed_over_at_once_and_nothing_waits_for_more() -> None:
    second = threading.Event()

    def script(talk: Talk) -> None:
        talk.stream([b"a", b"b", b"c"], end=False)
        second.wait(10)
        talk.send(b"1\r\nd\r\n0\r\n\r\n")

    async def conversation(client: Client, url: str) -> None:
        response = await post(client, url, Whole(b"{}"))
        got = b""
        while len(got) < 3:
            got += await response.read()
        assert (got, response.ended) == (b"abc", False)
        second.set()
        assert await response.read() == b"d"
        assert await whole(response) == b""

    talking(Upstream(script=script), conversation)


def test_a_burst_of_chunks_is_handed_over_in_one_piece() -> None:
    def script(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 1000 + b"0\r\n\r\n")

    async def conversation(client: Client, url: str) -> None:
        response = await post(client, url, Whole(b"{}"))
        await asyncio.sleep(0.3)
        assert await response.read() == b"a" * 1000
        assert response.ended
        response.close()

    talking(Upstream(script=script), conversation)


@pytest.mark.parametrize("when", ["before the head", "in the body"])
def test_a_cancelled_request_closes_its_connection_and_harms_no_other(when: str) -> None:
    def script(talk: Talk) -> None:
        if talk.seen.body == b"slow":
            with contextlib.suppress(OSError):
                talk.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12"[: None if when == "in the body" else 9])
            talk.wait_closed()
        else:
            talk.answer(talk.seen.body)

    async def ask(client: Client, url: str, body: bytes) -> bytes:
        response = await post(client, url, Whole(body))
        try:
            return await whole(response)
        finally:
            response.close()

    async def conversation(client: Client, url: str) -> None:
        for _ in range(20):
            slow = asyncio.create_task(ask(client, url, b"slow"))
            assert await ask(client, url, b"fast") == b"fast"
            await asyncio.sleep(0.01)
            slow.cancel()
            await asyncio.wait([slow])
            assert slow.cancelled()

    upstream = Upstream(script=script)
    talking(upstream, conversation)
    assert upstream.connections <= 1 + 20
    asked = [seen for seen in upstream.seen if seen.body == b"slow"]
    wait(lambda: all(seen.closed_at is not None for seen in asked), "the connections to be closed")


def test_an_answer_closed_before_its_end_never_gives_its_connection_back() -> None:
    def script(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234")
        time.sleep(0.2)
        talk.send(b"56789")

    async def conversation(client: Client, url: str) -> None:
        for _ in range(2):
            response = await post(client, url, Whole(b"{}"))
            assert (await response.read())[:1] == b"0"
            response.close()

    upstream = Upstream(script=script)
    talking(upstream, conversation)
    assert upstream.connections == 2


def test_a_body_that_breaks_off_is_truncated_and_what_came_is_handed_over_first() -> None:
    def script(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234")
        talk.close()

    async def conversation(client: Client, url: str) -> None:
        response = await post(client, url, Whole(b"{}"))
        await asyncio.sleep(0.2)
        assert await response.read() == b"01234"
        with pytest.raises(UpstreamTruncated) as truncated:
            await response.read()
        assert truncated.value.error_type == "truncated"
        response.close()

    talking(Upstream(script=script), conversation)
