"""The client's connection where ASGI does not tell of it: who has left while nobody reads, and who must be dropped."""

from __future__ import annotations

import asyncio
import os
import socket

from proxy.gate import Send

_HUNG_UP = (7, 8)
"""TCP_CLOSE and TCP_CLOSE_WAIT: the other side has reset the connection, or will send no more.

https://github.com/torvalds/linux/blob/master/include/net/tcp_states.h
"""


def hung_up(send: Send) -> bool:
    """Whether the client has left, and the system was told: of one that closes politely it hears last of all."""
    transport = _transport(send)
    sock = None if transport is None else transport.get_extra_info("socket")
    if sock is None or not hasattr(socket, "TCP_INFO"):
        return False
    try:
        with socket.socket(fileno=os.dup(sock.fileno())) as same:
            return same.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in _HUNG_UP
    except OSError:
        return False


def drop(send: Send) -> None:
    """Drops what a client that stopped reading will never take: closing politely would wait for it."""
    transport = _transport(send)
    if transport is not None:
        transport.abort()


def _transport(send: Send) -> asyncio.Transport | None:
    transport: asyncio.Transport | None = getattr(getattr(send, "__self__", None), "transport", None)
    return transport
