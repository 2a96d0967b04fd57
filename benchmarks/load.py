"""The clients: keep-alive calls as fast as they are answered, and many paced streams at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import perf_counter

BODY = b'{"model":"claude-sonnet-4-6","max_tokens":64,"messages":[{"role":"user","content":"' + b"a" * 900 + b'"}]}'


def request(port: int, extra: bytes = b"", body: bytes = BODY) -> bytes:
    """A call as a client library sends it."""
    return (
        b"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\n"
        b"x-api-key: sk-ant-api03-bench\r\nanthropic-version: 2023-06-01\r\nuser-agent: bench/1\r\n%s"
        b"content-length: %d\r\n\r\n%s" % (port, extra, len(body), body)
    )


@dataclass
class Measured:
    """What the clients saw; times in ms."""

    first_byte: list[float] = field(default_factory=list)
    complete: int = 0
    elapsed_s: float = 0.0

    def p50(self) -> float:
        """Median time to the first body byte."""
        ordered = sorted(self.first_byte)
        return ordered[len(ordered) // 2]


async def calls(port: int, count: int, connections: int) -> Measured:
    """`count` calls over so many connections."""
    measured = Measured()
    start = perf_counter()
    await asyncio.gather(*(_caller(port, count // connections, measured) for _ in range(connections)))
    measured.elapsed_s = perf_counter() - start
    return measured


async def _caller(port: int, count: int, measured: Measured) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    wire = request(port)
    for _ in range(count):
        start = perf_counter()
        writer.write(wire)
        head = await reader.readuntil(b"\r\n\r\n")
        measured.first_byte.append((perf_counter() - start) * 1000)
        assert head.startswith(b"HTTP/1.1 200"), head
        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        measured.complete += 1
    writer.close()


async def streams(port: int, count: int, events: int, per_second: int) -> Measured:
    """So many concurrent streams of paced events."""
    measured = Measured()
    start = perf_counter()
    extra = b"x-events: %d/%d\r\n" % (events, per_second)
    await asyncio.gather(*(_stream(port, extra, n * 0.002, measured) for n in range(count)))
    measured.elapsed_s = perf_counter() - start
    return measured


async def _stream(port: int, extra: bytes, delay: float, measured: Measured) -> None:
    await asyncio.sleep(delay)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    start = perf_counter()
    writer.write(request(port, extra))
    await reader.readuntil(b"\r\n\r\n")
    await reader.readuntil(b"\n\n")
    measured.first_byte.append((perf_counter() - start) * 1000)
    await reader.readuntil(b"\r\n0\r\n\r\n")
    measured.complete += 1
    writer.close()
