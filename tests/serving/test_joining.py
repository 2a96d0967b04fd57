"""Head and body leave in one piece where both are there, and nothing waits longer than the loop's turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from proxy.serving.joining import Joined

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Written(asyncio.Transport):
    """A transport that remembers each write."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        if data:
            self.pieces.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 7


def written(act: Callable[[Joined, list[bytes]], None]) -> list[bytes]:
    """What reached the transport by the end of the next turn."""

    async def main() -> list[bytes]:
        transport = Written()
        act(Joined(transport, asyncio.get_running_loop()), transport.pieces)
        await asyncio.sleep(0)
        return transport.pieces

    return asyncio.run(main())


def test_head_and_first_body_bytes_are_one_piece_and_later_ones_leave_at_once() -> None:
    def act(joined: Joined, pieces: list[bytes]) -> None:
        joined.write(HEAD)
        joined.write(b"first")
        assert pieces == [HEAD + b"first"]
        joined.write(b"second")
        assert pieces[1:] == [b"second"]

    assert written(act) == [HEAD + b"first", b"second"]


def test_a_head_without_a_body_yet_leaves_in_the_same_turn() -> None:
    assert written(lambda joined, _: joined.write(HEAD)) == [HEAD]


@pytest.mark.parametrize(("end", "left"), [(Joined.close, [HEAD]), (Joined.abort, [])])
def test_a_closed_connection_has_sent_what_waited_and_a_broken_one_sends_nothing_more(
    end: Callable[[Joined], None], left: list[bytes]
) -> None:
    def act(joined: Joined, pieces: list[bytes]) -> None:
        joined.write(HEAD)
        end(joined)

    assert written(act) == left


def test_everything_else_is_the_transports_own() -> None:
    def act(joined: Joined, pieces: list[bytes]) -> None:
        assert joined.get_write_buffer_size() == 7  # type: ignore[operator]
        assert joined.is_closing() is False  # type: ignore[operator]

    assert written(act) == []
