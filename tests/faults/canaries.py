"""Secrets of every kind, requests and answers full of them, and everything that a proxy keeps or tells."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
from pathlib import Path
from urllib.parse import quote

from proxy.exchange import Hop
from proxy.ledger.folder import Folder
from proxy.reading.encodings import decode, encode
from proxy.reading.jsontext import Json
from tests.kit import laws
from tests.kit.process import Proxy
from tests.kit.raw import post
from tests.kit.secrets import SECRETS
from tests.kit.upstream import DELTA, END, START, Talk

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
            talk.stream(chunked(encode(b"".join(stream(talk)), coding)), headers=headers)
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


def chunked(body: bytes) -> list[bytes]:
    """Cut inside secrets."""
    return [body[at : at + 997] for at in range(0, len(body), 997)]


CODINGS = ("", "gzip", "br", "zstd", "deflate")


def request(way: str, body: bytes, path: str = TARGET) -> bytes:
    name, _, coding = way.partition("+")
    fields = {**HEADERS, "x-way": way, **({"content-encoding": coding} if coding and name != "unread" else {})}
    said = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    if name == "unread":
        return post(path, hidden(body, coding), said + named(coding))
    body = escaped(json.loads(body)).encode() if name == "escaped" else body
    return post(path, encode(body, coding), said)


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
