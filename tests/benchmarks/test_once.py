"""What is measured beside the workloads."""

from __future__ import annotations

import socket

import pytest

from benchmarks import once

EVENT = b"data: 1\n\n"


def test_an_event_that_does_not_come_before_the_next_one_is_late() -> None:
    upstream, relay_up = socket.socketpair()
    relay_down, client = socket.socketpair()
    with upstream, relay_up, relay_down, client:
        assert once.late(upstream, client, EVENT, 0.05)
        relay_down.sendall(relay_up.recv(100))
        assert not once.late(upstream, client, EVENT, 0.05)


def test_a_stream_that_is_broken_off_has_no_figure() -> None:
    upstream, relay = socket.socketpair()
    away, client = socket.socketpair()
    with upstream, relay, client:
        away.close()
        with pytest.raises(SystemExit, match="broke a stream off"):
            once.late(upstream, client, EVENT)
