"""The application over a socket: bytes, pauses, clients that leave, journal."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from proxy.demo.journal import Seen
from proxy.demo.upstream import Upstream
from tests.demo.conftest import KEY, VECTORS, Running, listening
from tests.kit.process import wait

BODY = {
    "model": "claude-sonnet-4-6",
    "max_tokens": 9_000,
    "stream": True,
    "messages": [{"role": "user", "content": "x"}],
}
SYNC_FLUSH = b"\x00\x00\xff\xff"


@pytest.fixture(scope="module")
def unhurried() -> Iterator[Running]:
    """With lifelike pauses."""
    journal: list[Seen] = []
    with listening(Upstream(speed=1, journal=journal), journal) as running:
        yield running


def ask(running: Running, scene: str, **headers: str) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
    lines = {"x-api-key": KEY, "x-demo-scene": scene} | {n.replace("_", "-"): v for n, v in headers.items()}
    connection.request("POST", "/v1/messages?beta=true", json.dumps(BODY), lines)
    return connection


@pytest.mark.parametrize("parser", ["zttp", "h11"])
def test_cut_closes_without_the_last_chunk_and_without_a_line_in_the_log(
    parser: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        listening(Upstream(speed=0), [], parser) as running,
        closing(ask(running, "cut", connection="close")) as client,
    ):
        answer = client.getresponse()
        with pytest.raises(http.client.IncompleteRead) as raised:
            answer.read()
        answer.close()
    assert raised.value.partial.startswith(b"event: message_start\n")
    assert not raised.value.partial.endswith(b"\n\n")
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_gzip_stream_is_flushed_event_by_event(upstream: Running) -> None:
    with closing(ask(upstream, "gzip", accept_encoding="gzip")) as client, closing(client.getresponse()) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        packed = answer.read()
    events = gzip.decompress(packed).split(b"\n\n")
    assert len(events) > 1_000
    assert packed.count(SYNC_FLUSH) >= len(events) - 1


def test_gzip_needs_a_client_that_accepts_it(upstream: Running) -> None:
    with closing(ask(upstream, "gzip", accept_encoding="identity")) as client, closing(client.getresponse()) as answer:
        assert "content-encoding" not in answer.headers
        assert answer.read().startswith(b"event: message_start\n")


def test_json_answer_can_be_compressed_too(upstream: Running) -> None:
    answer = upstream.post(BODY | {"stream": False}, x_demo_scene="gzip", accept_encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json()["type"] == "message"
    assert upstream.last().sent_bytes < len(answer.content)


@pytest.mark.parametrize("name", sorted(path.stem for path in VECTORS.glob("*.json")))
def test_vector_is_served_byte_for_byte(upstream: Running, name: str) -> None:
    recorded = json.loads((VECTORS / f"{name}.json").read_text())
    with closing(http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=20)) as client:
        client.request("POST", recorded["request"]["path"], "{}", {"x-demo-vector": name})
        answer = client.getresponse()
        body, headers = answer.read(), answer.getheaders()
    kept = [list(pair) for pair in headers if pair[0] != "transfer-encoding"]
    assert (answer.status, kept) == (recorded["status"], recorded["headers"])
    if "body" in recorded:
        assert body.decode() == recorded["body"]
    else:
        assert gzip.decompress(body).startswith(b"event: message_start")
    assert upstream.last().sent_sha256 == hashlib.sha256(body).hexdigest()
    assert upstream.last().scene == f"vector:{name}"


def test_drip_sends_single_bytes(upstream: Running) -> None:
    with closing(ask(upstream, "drip", connection="close")) as client:
        wire = b""
        assert client.sock is not None
        while piece := client.sock.recv(65_536):
            wire += piece
    body = wire.partition(b"\r\n\r\n")[2]
    assert body.startswith(b"1\r\ne\r\n1\r\nv\r\n1\r\ne\r\n")


def test_client_leaving_within_an_answer_is_noticed(unhurried: Running) -> None:
    before = len(unhurried.journal)
    client = ask(unhurried, "long")
    answer = client.getresponse()
    answer.read1(100)
    answer.close()
    client.close()
    seen = unhurried.seen_after(before)
    assert seen.disconnected
    assert not seen.complete
    assert seen.disconnected_at == pytest.approx(time.time(), abs=30)
    assert 0 < seen.sent_bytes < 20_000


def test_client_leaving_before_the_answer_is_noticed(unhurried: Running) -> None:
    before = len(unhurried.journal)
    ask(unhurried, "text").close()
    seen = unhurried.seen_after(before)
    assert seen.disconnected
    assert seen.status is None


def test_client_leaving_within_its_upload_is_noticed(upstream: Running) -> None:
    before = len(upstream.journal)
    with socket.create_connection(("127.0.0.1", upstream.port)) as client:
        client.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
        wait(lambda: len(upstream.journal) > before, "the request to be seen")
    seen = upstream.seen_after(before)
    assert seen.disconnected
    assert seen.body_sha256 is None


def test_events_arrive_one_by_one_at_speed_1(unhurried: Running) -> None:
    with closing(ask(unhurried, "thinking")) as client, closing(client.getresponse()) as answer:
        pieces = []
        while piece := answer.read1(65_536):
            pieces.append(piece)
    assert len(pieces) > 10


def test_journal_tells_both_directions(upstream: Running) -> None:
    answer = upstream.post(BODY, path="/v1/messages?beta=true&x=%41", x_one="1")
    seen = upstream.last()
    assert (seen.method, seen.target) == ("POST", "/v1/messages?beta=true&x=%41")
    assert ("x-one", "1") in seen.headers
    assert seen.body_bytes == len(answer.request.content)
    assert seen.body_sha256 == hashlib.sha256(answer.request.content).hexdigest()
    assert seen.sent_sha256 == hashlib.sha256(answer.content).hexdigest()
    assert (seen.status, seen.complete, seen.disconnected) == (200, True, False)
