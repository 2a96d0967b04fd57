"""Requests that servers disagree about, what the gate has to make of each, and how a front answered it."""

from __future__ import annotations

import contextlib
import re
import select
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from docs.regions import table
from tests.kit import laws, oracles
from tests.kit.process import Proxy
from tests.kit.raw import Connection, address
from tests.kit.upstream import Seen, Talk, Upstream

PAGE = Path(__file__).parent.parent.parent / "docs" / "wire.md"
_REGION = re.compile(r"(<!-- made by `python -m tests.faults.wire` -->\n).*?(<!-- end -->)", re.DOTALL)
POST = b"POST /x HTTP/1.1\r\nHost: localhost\r\n"
GET = b"GET /x HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
FRONTS = ("zttp", "h11", "haproxy", "nginx")
PATIENCE_S = 4.0
"""How long a front may take; longer than its time-outs."""
DRIP_S = 0.25


Judge = Callable[[str, list[Seen]], str]


@dataclass(frozen=True)
class Case:
    """One request and the verdict that is asked of the gate."""

    name: str
    request: bytes
    gate: frozenset[str]
    """`ok`, a status, `cut` (closed without an answer), or what became of a header."""
    judge: Judge | None = None
    """Says more than `ok`, from what the upstream saw."""
    drip: bytes = b""
    """Sent over and over after the request, a piece each quarter of a second."""
    h11: frozenset[str] = frozenset()
    """Further verdicts that are allowed on h11."""
    remark: str = ""


def _case(
    name: str,
    request: bytes,
    *gate: str,
    judge: Judge | None = None,
    drip: bytes = b"",
    h11: str | None = None,
    remark: str = "",
) -> Case:
    further = frozenset({h11} if h11 else ())
    return Case(name, request, frozenset(gate), judge, drip, further, remark)


def _length(value: bytes) -> bytes:
    return POST + b"Content-Length: " + value + b"\r\n\r\nabc"


def _coded(value: bytes) -> bytes:
    return POST + b"Transfer-Encoding: " + value + b"\r\n\r\n0\r\n\r\n"


def _target(target: bytes, method: bytes = b"GET") -> bytes:
    return method + b" " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"


def _field(line: bytes) -> bytes:
    return GET + line + b"\r\n\r\n"


def _header(name: bytes) -> Judge:
    def judge(verdict: str, seen: list[Seen]) -> str:
        if verdict != "ok" or not seen:
            return verdict
        return "passed" if seen[-1].values(name) else "dropped"

    return judge


_END = b"\r\nabc\r\n0\r\n\r\n"
_AS_THEY_CAME = "without a pool of credentials, callers' headers pass as they came"
_WAITS = "h11 waits for a rest that never comes; the upload's time-out ends it"
_DROPS = "h11 takes it and drops it; nothing of it is forwarded"

CASES = (
    _case("CL and TE", POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
    _case("CL twice, different", POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "400"),
    _case("CL twice, same", POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400"),
    _case("CL `3, 3`", _length(b"3, 3"), "400"),
    _case("CL `+3`", _length(b"+3"), "400"),
    _case("CL `0x3`", _length(b"0x3"), "400"),
    _case("CL `0_3`", _length(b"0_3"), "400"),
    _case("CL `-1`", _length(b"-1"), "400"),
    _case("CL 2^64+3", _length(b"18446744073709551619"), "400"),
    _case("TE `xchunked`", _coded(b"xchunked"), "501", "400"),
    _case("TE `chunked, identity`", _coded(b"chunked, identity"), "501", "400"),
    _case("TE `gzip, chunked`", _coded(b"gzip, chunked"), "501", "400"),
    _case("TE chunked twice", POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", "400", "501"),
    _case("TE on HTTP/1.0", _coded(b"chunked").replace(b"/1.1", b"/1.0", 1), "400"),
    _case("Folded header", _field(b"X-A: a\r\n b"), "400"),
    _case("Bare LF line ends", GET.replace(b"\r\n", b"\n") + b"\n", "400"),
    _case("Bare CR in a value", _field(b"X-A: a\rb"), "400"),
    _case("NUL in a value", _field(b"X-A: a\x00b"), "400"),
    _case("VT in a value", _field(b"X-A: a\x0bb"), "400"),
    _case("Space in a name", _field(b"X A: b"), "400"),
    _case("Empty name", _field(b": b"), "400"),
    _case("`TE :`", POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"),
    _case("No Host", b"GET /x HTTP/1.1\r\n\r\n", "400"),
    _case("Two Hosts", GET + b"Host: evil.test\r\n\r\n", "400"),
    _case("`Host: a b/c@d`", b"GET /x HTTP/1.1\r\nHost: a b/c@d\r\n\r\n", "400"),
    _case("Absolute form, other host", _target(b"http://evil.test/x"), "400"),
    _case("Target `//etc`", _target(b"//etc/passwd"), "400"),
    _case("Target `/\\evil`", _target(b"/\\evil.test"), "400"),
    _case("Target `@evil`", _target(b"@evil.test/"), "400"),
    _case("Target `*`", _target(b"*", b"OPTIONS"), "400"),
    _case("Target `/a/../b`", _target(b"/a/../b"), "400"),
    _case("Target `/..%2fetc`", _target(b"/..%2fetc"), "400"),
    _case("Target `/a%00b`", _target(b"/a%00b"), "400"),
    _case("8-bit target", _target(b"/a\xe9b"), "400"),
    _case("`X_Api_Key`", _field(b"X_Api_Key: b"), "passed", judge=_header(b"x_api_key"), remark=_AS_THEY_CAME),
    _case("Bad chunk size `0x3`", CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", "400", "cut"),
    _case("Bad chunk size `+3`", CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n", "400", "cut"),
    _case("Chunk size overflow", CHUNKED + b"fffffffffffffffff\r\nabc", "400", "cut", h11="408", remark=_WAITS),
    _case("Chunk without CRLF", CHUNKED + b"3\r\nabcX0\r\n\r\n", "400", "cut"),
    _case("Chunk extension with LF", CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n", "400", "cut"),
    _case("Chunks with bare LF", CHUNKED + b"3\nabc\n0\n\n", "400", "cut", h11="408", remark=_WAITS),
    _case("100 kB chunk extension", CHUNKED + b"3;" + b"a" * 100_000 + _END, "400", "cut", h11="ok", remark=_DROPS),
    _case(
        "Trailer `Authorization`",
        CHUNKED + b"3\r\nabc\r\n0\r\nAuthorization: b\r\n\r\n",
        "dropped",
        judge=_header(b"authorization"),
    ),
    _case("GET with a body", GET + b"Content-Length: 3\r\n\r\nabc", "ok"),
    _case("TRACE", _target(b"/x", b"TRACE"), "405"),
    _case("CONNECT", _target(b"evil.test:443", b"CONNECT"), "405", "400"),
    _case("Method `get`", _target(b"/x", b"get"), "400", "405"),
    _case("Header of 70 kB", _field(b"X-A: " + b"a" * 70_000), "431"),
    _case("Header of 1 MB", _field(b"X-A: " + b"a" * 1_000_000), "431"),
    _case("1,000 headers", GET + b"".join(b"X-%d: a\r\n" % n for n in range(1000)) + b"\r\n", "431"),
    _case("Target of 100 kB", _target(b"/" + b"a" * 100_000), "414"),
    _case("`Expect: 200-maybe`", _field(b"Expect: 200-maybe"), "417"),
    _case("`Upgrade: h2c`", _field(b"Connection: upgrade\r\nUpgrade: h2c"), "426"),
    _case("HTTP/1.0 client", b"GET /chunks HTTP/1.0\r\nHost: localhost\r\n\r\n", "close-delimited"),
    _case("Header drip", b"GET /x HTTP/1.1\r\n", "cut", "408", drip=b"X-A: b\r\n"),
    _case("Silent connection", b"", "cut", "408"),
)


def script(talk: Talk) -> None:
    """The upstream behind each front."""
    if talk.seen.line.startswith(b"GET /chunks "):
        talk.stream([b"one", b"two"])
    else:
        talk.answer(b"{}")


@dataclass(frozen=True)
class Verdict:
    """What a front made of a case."""

    said: str
    """`ok`, a status, `cut`, `—` for no answer in time, or the judge's word."""
    passed: bool
    """Whether the upstream got a whole request."""


def measure(front: tuple[str, int], upstream: Upstream) -> dict[str, Verdict]:
    """Case → verdict, one after the other; `upstream` is the one behind the front."""
    found = {}
    for case in CASES:
        before = len(upstream.seen)
        said = _answer(case, front)
        seen = upstream.seen[before:]
        found[case.name] = Verdict(case.judge(said, seen) if case.judge else said, any(each.complete for each in seen))
    return found


def _answer(case: Case, front: tuple[str, int]) -> str:
    with Connection(front, timeout=PATIENCE_S) as connection:
        with contextlib.suppress(ConnectionError):
            connection.send(case.request)
            _drip(connection, case.drip)
        try:
            reply = connection.reply()
        except TimeoutError:
            return "—"
    if not reply.head:
        return "cut"
    if reply.status != 200:
        return str(reply.status)
    if reply.value(b"transfer-encoding"):
        return "chunked"
    return "ok" if reply.value(b"content-length") else "close-delimited"


def _drip(connection: Connection, piece: bytes) -> None:
    end = time.monotonic() + PATIENCE_S
    while piece and time.monotonic() < end and not select.select([connection.sock], [], [], DRIP_S)[0]:
        connection.send(piece)


Measured = Mapping[str, Mapping[str, Verdict]]
"""Front → case → verdict."""


def measure_all(folder: Path) -> Measured:
    """All cases on the product with both parsers, on HAProxy and on nginx, each in front of an upstream of its own."""
    with contextlib.ExitStack() as opened:
        fronts = {name: _front(name, folder / name, opened) for name in FRONTS}
        with ThreadPoolExecutor(len(fronts)) as threads:
            return dict(zip(fronts, threads.map(lambda front: measure(*front), fronts.values()), strict=True))


def _front(name: str, folder: Path, opened: contextlib.ExitStack) -> tuple[tuple[str, int], Upstream]:
    folder.mkdir()
    upstream = opened.enter_context(Upstream(script=script).running())
    if name in ("haproxy", "nginx"):
        judge = oracles.haproxy if name == "haproxy" else oracles.nginx
        return opened.enter_context(judge(folder, upstream.port)), upstream
    seconds = oracles.HEAD_S
    times = f"client_header_timeout = {seconds}\nupload_idle_timeout = {seconds}\n"
    proxy = opened.enter_context(Proxy(folder, upstream.url, relay=f'parser = "{name}"\n{times}').running())
    opened.callback(laws.check, proxy)
    return address(proxy.base_url), upstream


def page(text: str, measured: Measured) -> str:
    """The page with its table made anew."""
    haproxy, nginx = oracles.versions()
    head = ("Case", "Asked of the gate", "zttp", "h11", f"HAProxy {haproxy}", f"nginx {nginx}", "Remark")
    rows = (
        (case.name, " or ".join(sorted(case.gate)), *(measured[front][case.name].said for front in FRONTS), case.remark)
        for case in CASES
    )
    return _REGION.sub(lambda found: f"{found[1]}\n{table(head, rows)}\n\n{found[2]}", text)


def main() -> int:
    """Measures and writes the page."""
    with tempfile.TemporaryDirectory() as folder:
        measured = measure_all(Path(folder))
    PAGE.write_text(page(PAGE.read_text("utf-8"), measured), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
