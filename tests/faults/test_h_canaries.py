"""Group H, secrets: canaries of every kind go wherever they can, and none is found in anything that is kept or told."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.ledger.folder import Folder
from proxy.reading.redaction.redactor import Redactor
from tests.faults.canaries import (
    CODINGS,
    HIDDEN,
    OWN,
    QUERY,
    TARGET,
    escaped,
    kept,
    leaks,
    play,
    prompt,
    request,
    told,
)
from tests.faults.exporting import QUICK
from tests.faults.failing import FailAt, Inside
from tests.kit import laws
from tests.kit.process import Proxy, wait
from tests.kit.raw import Connection, Reply, address, ask
from tests.kit.secrets import SECRETS
from tests.kit.upstream import Upstream
from tests.receiver import Receiver, receiver
from tests.relay.conftest import FAST

WAYS = [
    *(f"{name}+{coding}" if coding else name for name in ("400", "500", "stream") for coding in CODINGS),
    *(f"unread+{coding}" for coding in HIDDEN),
    *("escaped", "oauth", "tail", "torn", "truncated", "left", "silent", "killed", "refused"),
]


@pytest.fixture(scope="module")
def telling() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture(scope="module")
def sinks(tmp_path_factory: pytest.TempPathFactory, telling: Receiver) -> dict[str, bytes]:
    """Everything that is kept or told after every way a request can go; a relay dies in between."""
    upstream = Upstream(script=play)
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": telling.url,
        "PYTHONASYNCIODEBUG": "1",
        "ANTHROPIC_PROXY_LOG_FORMAT": "json",
        **QUICK,
    }
    replies: dict[str, Reply] = {}
    with upstream.running():
        proxy = Proxy(tmp_path_factory.mktemp("canaries"), upstream.url, relay=FAST, env=env)
        with proxy.running():
            for way in WAYS:
                reply = ask_for(proxy, way)
                if reply is not None:
                    replies[way] = reply
            rows = proxy.finished(len(WAYS))
            assert {row["outcome"] for row in rows} == {
                *(
                    "upstream_error",
                    "ok",
                    "truncated",
                    "upstream_timeout",
                    "client_disconnected",
                    "interrupted",
                    "rejected",
                ),
            }
            ids = [row["request_id"] for row in rows]
            wait(lambda: all(telling_of(telling, each) for each in ids), "every record to be exported", 30)
            found = kept(proxy) | told(proxy, ids)
            found["otlp"] = b"\n".join(one.body for one in telling.received)
            found["own error replies"] = b"".join(
                reply.head + reply.body for way, reply in replies.items() if way in ("silent", "refused")
            )
            seen = b"".join(each.head + each.body for each in upstream.seen)
            assert [secret for secret in SECRETS.values() if json.dumps(secret)[1:-1].encode() not in seen] == []
            laws.check(proxy, payloads=[one.body for one in telling.received])
        found |= {f"{name} at rest": data for name, data in kept(proxy).items()}
    return found


def ask_for(proxy: Proxy, way: str) -> Reply | None:
    """Sends one request its way; None where nobody waits for the answer."""
    if way == "refused":
        return ask(proxy.base_url, request(way, prompt()).replace(b"Host: 127.0.0.1", b"Host: elsewhere.test"))
    path = f"/v1/files/{laws.API_KEY}?{QUERY}" if way == "oauth" else TARGET
    sent = request(way, prompt(), path)
    if way not in ("left", "killed"):
        with Connection(address(proxy.base_url)) as connection:
            connection.send(sent)
            return connection.reply()
    with Connection(address(proxy.base_url)) as connection:
        connection.send(sent)
        connection.until(b"text_delta", 5)
        if way == "killed":
            wait(lambda: proxy.rows("SELECT 1 FROM exchanges WHERE outcome IS NULL"), "the open row")
            time.sleep(0.2)
            os.kill(proxy.pid("relay"), signal.SIGKILL)
            wait(lambda: not proxy.rows("SELECT 1 FROM exchanges WHERE outcome IS NULL"), "the row to be closed")
            wait(lambda: _answers(proxy), "the next relay")
    return None


def _answers(proxy: Proxy) -> bool:
    with contextlib.suppress(OSError):
        return ask(proxy.base_url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200
    return False


def telling_of(telling: Receiver, request_id: str) -> bool:
    wanted = request_id.encode()
    return any(wanted in one.body for one in telling.requests("logs")) and any(
        wanted in one.body for one in telling.requests("traces")
    )


def test_h1_no_secret_is_in_anything_that_is_kept_or_told(sinks: dict[str, bytes]) -> None:
    """By every way a request can go."""
    assert len(SECRETS) >= 40, "kinds of secret, the callers' own not among them"
    assert {name: found for name, data in sinks.items() if (found := leaks(data))} == {}


def test_h1_what_was_searched_is_what_was_stored(sinks: dict[str, bytes]) -> None:
    """The search above would be vain if there were nothing, or nothing readable, to search."""
    assert sinks["stored bodies"].count(b"***") > 500
    assert sinks["/requests/{0}?raw=1"].count(b"***") > 50
    assert b'rule="github"' in sinks["/metrics"]
    assert sinks["otlp"].count(b"authentication_error") > 5
    assert {"file ledger.sqlite3", "file ledger.sqlite3-wal", "output", "own error replies"} <= sinks.keys()
    assert b"anthropic-proxy:" in sinks["own error replies"]


def test_h1_a_body_that_nobody_can_search_is_not_stored_and_the_record_says_so(sinks: dict[str, bytes]) -> None:
    """It is compressed in a way that its header does not tell, or not so that it could be read."""
    listed = [json.loads(line) for line in sinks["/api/v1/exchanges.jsonl"].splitlines()]
    reasons = [(each["request_capture"], each["response_capture"]) for each in listed]
    assert reasons.count(("unsearched", "unsearched")) == len(HIDDEN)
    assert reasons.count((None, "unsearched")) == 1


def test_h1_a_search_finds_what_is_there() -> None:
    for secret in SECRETS.values():
        assert leaks(f"before {secret} after".encode())
        assert leaks(escaped(f"before {secret} after").encode())
    assert leaks(base64.b64encode(f"xx{laws.API_KEY}".encode()))


@pytest.mark.parametrize(
    "part", [f"redactor.{part}" for part in ("body", "headers", "look", "query", "text")] + ["redactor"]
)
def test_h1_a_fault_of_what_masks_lets_no_secret_through(tmp_path: Path, part: str) -> None:
    """An error of the proxy's own."""
    upstream, fail = Upstream(script=play), FailAt()
    with upstream.running(), Inside(tmp_path, upstream.url, fail).running() as inside:
        for number in range(1, 8):
            fail.again(part, number)
            with Connection(address(inside.url)) as connection:
                connection.send(request("400", prompt()))
                assert connection.reply().status == 400
            threading.Event().wait(0.1)
    files = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {name: found for name, data in files.items() if (found := leaks(data))} == {}
    assert leaks(laws.stored_bodies(Folder(tmp_path))) == []


MASK = re.compile(rb"\*\*\*([\w.-]{4})?-[0-9a-f]{8}")


def test_h2_a_mask_shows_the_last_four_characters_and_a_hash_and_tells_no_length(sinks: dict[str, bytes]) -> None:
    stored = sinks["stored bodies"]
    assert stored.count(b"***") == len(MASK.findall(stored))
    redactor = Redactor([], b"salt")
    for secret in (*SECRETS.values(), *OWN):
        assert MASK.fullmatch(redactor.mask(secret).encode())
        assert redactor.mask(secret)[3:7] in (secret[-4:], f"-{redactor.mask(secret)[-8:-5]}")
    assert len(redactor.mask("a" * 20)) == len(redactor.mask("a" * 2000))


@pytest.mark.parametrize(
    "prefix", ["sk-ant-api03-", "sk-proj-", "AIza", "ghp_", "github_pat_", "xoxb-", "AKIA", "eyJ", "npm_"]
)
def test_h2_a_known_prefix_does_not_count_as_hidden(prefix: str) -> None:
    redactor = Redactor([], b"salt")
    assert MASK.fullmatch(redactor.mask(prefix + "x" * 11 + "last").encode())
    assert "last" not in redactor.mask(prefix + "x" * 11 + "last")
    assert "last" in redactor.mask(prefix + "x" * 12 + "last")
