"""Pieces of an answer written without a coroutine, for as long as the client takes them."""

from __future__ import annotations

from collections.abc import Callable

from uvicorn.protocols.http.zttp_impl import RequestResponseCycle

from proxy.gate import Send


def pushing(send: Send) -> Callable[[bytes], bool] | None:
    """What writes a piece in the middle of the answer that `send` has begun; None where only `send` can.

    It says False, and has written nothing, when the client is to be waited for or has left.
    """
    cycle = getattr(send, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle) or not cycle.chunked_encoding or cycle.bodyless:
        return None
    conn, flow, transport = cycle.conn, cycle.flow, cycle.transport

    def push(piece: bytes) -> bool:
        if flow.write_paused or cycle.disconnected:
            return False
        conn.send_data(piece)
        transport.write(conn.data_to_send())
        return True

    return push
