"""A cheap upstream: answers calls at once, plays paced event streams, and takes OTLP like a collector."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

ANSWER = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-6","content":[{"type":"text","text":"'
    + b"a" * 1200
    + b'"}],"stop_reason":"end_turn","usage":{"input_tokens":300,"output_tokens":280}}'
)
HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nrequest-id: req_bench\r\ncontent-length: %d\r\n\r\n"
    % len(ANSWER)
)
TAKEN = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"
TELEMETRY = (b"POST /v1/logs", b"POST /v1/metrics", b"POST /v1/traces")
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",'
    b'"model":"claude-sonnet-4-6","content":[],"usage":{"input_tokens":300,"output_tokens":1}}}\n\n'
)
EVENT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
    b'"text":"a few words "}}\n\n'
)
END = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":90}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class Serving(asyncio.Protocol):
    """One connection; requests announce what they want by `x-events: COUNT/PER_SECOND`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while b"\r\n\r\n" in self._data:
            head, body = self._data.split(b"\r\n\r\n", 1)
            length = _field(head, b"content-length")
            if len(body) < int(length or 0):
                return
            self._data = body[int(length or 0) :]
            events = _field(head, b"x-events")
            if head.startswith(TELEMETRY):
                self._transport.write(TAKEN)
            elif events is None:
                self._transport.write(HEAD + ANSWER)
            else:
                count, rate = events.split(b"/")
                self._transport.write(STREAM_HEAD + chunk(START))
                self._play(int(count), 1 / int(rate))

    def _play(self, left: int, gap: float) -> None:
        if left:
            self._transport.write(chunk(EVENT))
            asyncio.get_running_loop().call_later(gap, self._play, left - 1, gap)
        else:
            self._transport.write(chunk(END) + b"0\r\n\r\n")


def _field(head: bytes, name: bytes) -> bytes | None:
    at = head.lower().find(b"\r\n" + name + b":")
    if at < 0:
        return None
    start = at + len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end > 0 else None].strip()


async def main(port: int) -> None:
    """Serves until killed."""
    server = await asyncio.get_running_loop().create_server(Serving, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
