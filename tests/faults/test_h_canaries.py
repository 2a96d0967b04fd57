"""Group H, secrets: canaries of every kind go wherever they can, and none is found in anything that is kept or told."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import os
import random
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from proxy.exchange import Hop
from proxy.ledger.folder import Folder
from proxy.reading.encodings import decode, encode
from proxy.reading.jsontext import Json
from proxy.reading.redaction.redactor import Redactor
from tests.faults.exporting import QUICK
from tests.faults.failing import FailAt, Inside
from tests.kit import laws
from tests.kit.process import Proxy, wait
from tests.kit.raw import Connection, Reply, address, ask, post
from tests.kit.upstream import DELTA, END, START, Talk, Upstream
from tests.reading.redaction.test_kinds import SECRETS
from tests.receiver import Receiver, receiver
from tests.relay.conftest import FAST

PLAIN = f"{laws.CANARY}-own-credential"
BASIC = base64.b64encode(f"someone:{laws.CANARY}-password".encode()).decode()
HEADERS = {
    "authorization": f"Bearer {laws.OAUTH_TOKEN}",
    "x-api-key": laws.API_KEY,
    "api-key": f"{PLAIN}-1",
    "x-goog-api-key": f"AIza{laws.CANARY}{'x' * 19}",
    "proxy-authorization": f"Basic {BASIC}",
    "cookie": f"theme=dark; session={laws.CANARY}-session-cookie",
    "X_Api_Key": f"{PLAIN}-2",
    "helicone-auth": f"Bearer {PLAIN}-3",
    "cf-access-client-secret": f"{PLAIN}-4",
    "x-amz-security-token": f"{PLAIN}-5",
    "x-session-id-token": f"{PLAIN}-6",
    "referer": f"https://someone:{laws.CANARY}-pass@example.test/?access_token={laws.CANARY}-parameter",
    "x-note": f"the key is {SECRETS['github']}, the other {SECRETS['aws_access_key']}",
    "user-agent": f"curl/8 ({laws.API_KEY})",
    "x-proxy-workflow": laws.API_KEY,
    "x-proxy-metadata": json.dumps({"note": SECRETS["slack"], "mine": f"{PLAIN}-1"}),
    "x-claude-code-session-id": laws.API_KEY,
}
OWN = {value.removeprefix("Bearer ").removeprefix("Basic ") for name, value in HEADERS.items() if name in (
    "authorization", "x-api-key", "api-key", "x-goog-api-key", "proxy-authorization", "X_Api_Key", "helicone-auth",
    "cf-access-client-secret", "x-amz-security-token", "x-session-id-token",
)}  # fmt: skip
"""Credentials of the caller that an upstream may echo in any spelling."""
QUERY = f"key={laws.CANARY}-query-key&next=https://someone:{laws.CANARY}-there@example.test/"
TARGET = f"/v1/messages?{QUERY}"


def core(secret: str) -> bytes:
    """The middle of the longest run of a secret: no mask shows it."""
    longest: str = max(re.findall(r"[A-Za-z0-9_]+", secret), key=len)
    middle = len(longest) // 2
    return longest[middle - 5 : middle + 5].encode()


SPELLINGS = {*laws.SPELLINGS, *(core(secret) for secret in SECRETS.values())}
"""What is looked for."""


def prompt() -> bytes:
    """A request body that holds every secret: in text, in JSON inside JSON, in fields, and cut off at its end."""
    lines = "\n".join(f"{name}: {secret}" for name, secret in SECRETS.items())
    tool = {"type": "tool_use", "id": "t1", "name": "run", "input": {"api_key": f"{PLAIN}-7", "text": lines}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": lines}]},
        {"role": "assistant", "content": [tool]},
        {"role": "user", "content": json.dumps({"password": f"{PLAIN}-8", "text": lines})},
    ]
    return json.dumps({"model": laws.API_KEY, "messages": messages, "metadata": {"user_id": laws.API_KEY}}).encode()


def echo(talk: Talk) -> str:
    """What an upstream without manners says of a request: all of it, in every spelling."""
    head = talk.seen.head.decode("latin-1")
    spelled = [spelling for secret in sorted(OWN) for spelling in (
        secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode(), f"x{secret}y",
    )]  # fmt: skip
    spelled += ["".join(f"%{each:02x}" for each in secret.encode()) for secret in (*sorted(OWN), *SECRETS.values())]
    return " ".join([head, *spelled, *SECRETS.values(), f"someone:{laws.CANARY}-password"])


def escaped(value: Json) -> str:
    """JSON in which every second character of a text is written as an escape."""
    if isinstance(value, str):
        return '"' + "".join(f"\\u{ord(c):04x}" if at % 2 else json.dumps(c)[1:-1] for at, c in enumerate(value)) + '"'
    if isinstance(value, list):
        return f"[{', '.join(map(escaped, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {escaped(inside)}" for name, inside in value.items()) + "}"
    return json.dumps(value)


def read(data: bytes) -> bytes:
    """What is written with escapes, as it reads."""
    return re.sub(rb"(?:\\+u00|%)([2-7][0-9A-Fa-f])", lambda found: bytes([int(found[1], 16)]), data)


def error(talk: Talk) -> bytes:
    return json.dumps({"type": "error", "error": {"type": "authentication_error", "message": echo(talk)}}).encode()


RESPONSE_HEADERS = (
    f"set-cookie: session={laws.CANARY}-from-upstream; Path=/\r\nrequest-id: {laws.API_KEY}\r\n"
    f"x-echo: {laws.API_KEY}\r\nx-new-token: {laws.CANARY}-new\r\nlocation: https://a:{laws.CANARY}-b@example.test/\r\n"
)


def stream(talk: Talk) -> list[bytes]:
    """A stream whose text says everything, cut at random places over its events."""
    said, chance = echo(talk), random.Random(3)
    events, at = [START], 0
    while at < len(said):
        end = at + chance.randint(1, 40)
        text = json.dumps(said[at:end])[1:-1].encode()
        events.append(DELTA.replace(b"Hi", text))
        at = end
    return [*events, END]


def play(talk: Talk) -> None:
    """The upstream: how it answers stands in the request's own header."""
    (way,) = talk.seen.values(b"x-way")
    name, _, coding = way.decode().partition("+")
    headers = RESPONSE_HEADERS + (f"content-encoding: {coding}\r\n" if coding else "")
    match name:
        case "400" | "500":
            talk.answer(encode(error(talk), coding), status=f"{name} No", headers=headers)
        case "oauth":
            tokens = {name: f"{laws.CANARY}-{name}" for name in ("access_token", "refresh_token", "id_token")}
            talk.answer(json.dumps(tokens).encode(), headers=headers)
        case "stream":
            talk.stream(_chunked(encode(b"".join(stream(talk)), coding)), headers=headers)
        case "escaped":
            talk.answer(escaped(json.loads(error(talk))).encode(), status="400 No", headers=headers)
        case "unread":
            talk.answer(hidden(error(talk), coding), status="400 No", headers=RESPONSE_HEADERS + named(coding))
        case "tail":
            body = gzip.compress(b"nothing") + error(talk)
            talk.answer(body, headers=RESPONSE_HEADERS + "content-encoding: gzip\r\n")
        case "torn":
            said = b'{"error": {"message": "you sent ' + laws.API_KEY.encode()
            talk.send(b"HTTP/1.1 401 No\r\ncontent-length: 900\r\n\r\n" + said[:-9])
            talk.close()
        case "truncated":
            talk.stream(stream(talk)[:-1], headers=headers, end=False)
            talk.reset()
        case "left" | "killed":
            talk.stream(stream(talk)[:-1], headers=headers, end=False)
            talk.wait_closed(20)
        case "silent":
            talk.wait_closed(20)


HIDDEN = {"twice": "gzip, gzip", "double": "gzip", "unsaid": "", "wrong": "br", "unknown": "compress"}
"""What a body says of its coding that nobody can take off, though it is gzip inside."""


def hidden(body: bytes, coding: str) -> bytes:
    """A body in gzip, in one way or another."""
    body = gzip.compress(body)
    return gzip.compress(body) if coding in ("twice", "double") else body


def named(coding: str) -> str:
    """What such a body says of itself."""
    return f"content-encoding: {HIDDEN[coding]}\r\n" if HIDDEN[coding] else ""


def _chunked(body: bytes) -> list[bytes]:
    """Cut inside secrets."""
    return [body[at : at + 997] for at in range(0, len(body), 997)]


CODINGS = ("", "gzip", "br", "zstd", "deflate")
WAYS = [
    *(f"{name}+{coding}" if coding else name for name in ("400", "500", "stream") for coding in CODINGS),
    *(f"unread+{coding}" for coding in HIDDEN),
    *("escaped", "oauth", "tail", "torn", "truncated", "left", "silent", "killed", "refused"),
]


def request(way: str, body: bytes, path: str = TARGET) -> bytes:
    name, _, coding = way.partition("+")
    fields = {**HEADERS, "x-way": way, **({"content-encoding": coding} if coding and name != "unread" else {})}
    said = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    if name == "unread":
        return post(path, hidden(body, coding), said + named(coding))
    body = escaped(json.loads(body)).encode() if name == "escaped" else body
    return post(path, encode(body, coding), said)


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


def kept(proxy: Proxy) -> dict[str, bytes]:
    """Every file of the installation, and every stored body without its compression."""
    named = {Path(path).name: data for path, data in laws.files(proxy.folder).items()}
    found = {"output" if name == "output.log" else f"file {name}": data for name, data in named.items()}
    found["stored bodies"] = unpacked(laws.stored_bodies(Folder(proxy.data)))
    return found


def told(proxy: Proxy, ids: list[str]) -> dict[str, bytes]:
    """Every answer of API and pages about every request."""
    found = {"/metrics": proxy.metrics().encode()}
    lists = ("/api/v1/exchanges", "/api/v1/exchanges.csv", "/api/v1/exchanges.jsonl", "/requests?operation=all")
    ones = ["/api/v1/exchanges/{0}", "/api/v1/exchanges/{0}/message", "/api/v1/exchanges/{0}/events?data=true"]
    ones += [f"/api/v1/exchanges/{{0}}/bodies/{hop.value}" for hop in Hop]
    ones += ["/requests/{0}", "/requests/{0}?raw=1", *(f"/requests/{{0}}?view=json&hop={hop.value}" for hop in Hop)]
    with proxy.client() as client:
        for path in lists:
            found[path] = client.get(path).content
        for path in ones:
            answers = [client.get(path.format(request_id)) for request_id in ids]
            assert {answer.status_code for answer in answers} <= {200, 404}
            found[path] = b"\n".join(unpacked(answer.content) for answer in answers)
    return found


def unpacked(body: bytes) -> bytes:
    """A body as it is, and without whatever coding it has."""
    once = [decode(body, coding).data for coding in CODINGS[1:]]
    return b"\n".join([body, *once, *(decode(inner, "gzip").data for inner in once)])


def leaks(data: bytes) -> list[bytes]:
    """What is there of any secret, written out or with escapes."""
    plain = read(data)
    return [spelling for spelling in sorted(SPELLINGS) if spelling in data or spelling in plain]


def test_h1_no_secret_is_in_anything_that_is_kept_or_told(sinks: dict[str, bytes]) -> None:
    """40 kinds and more, by every way a request can go."""
    assert len(SECRETS) + len(HEADERS) >= 40
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
