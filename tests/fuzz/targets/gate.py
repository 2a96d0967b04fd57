"""The gate on any scope: it refuses with a status of its own or lets pass what is clean."""

from __future__ import annotations

from proxy.gate import Rules, Scope, allowed_hosts
from proxy.gate import check as refused
from tests.fuzz.targets import fields

TOKENS = (
    b"\xff",
    b"/v1/messages",
    b"//",
    b"..",
    b"%2e",
    b"%2f",
    b"%00",
    b"\\",
    b"host",
    b"localhost",
    b"127.0.0.1:8080",
    b"[::1]",
    b"content-length",
    b"transfer-encoding",
    b"chunked",
    b"origin",
    b"http://localhost",
    b"expect",
    b"1.0",
    b"100-continue",
    b"upgrade",
    b"sec-fetch-site",
    b"cross-site",
    b"POST",
    b"GET",
    b"\xc3\xa9",
    b"12",
)
RULES = Rules(allowed_hosts=allowed_hosts("127.0.0.1", ("proxy.test",)), max_body=1000)
STATUSES = {400, 403, 405, 413, 414, 417, 426, 431, 501}
"""What a port refuses with; 501, the only one above 500, says that a transfer coding is not understood."""


def check(data: bytes) -> None:
    """What passes has one known host, one framing and a path that stays where it is."""
    method, path, query, version, *lines = fields(data, 30)
    pairs = list(zip(lines[::2], lines[1::2], strict=False))
    headers = [(name.lower(), value) for name, value in pairs if name]
    scope: Scope = {
        "type": "http",
        "method": method.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "http_version": version.decode("latin-1"),
        "headers": headers,
    }
    rejection = refused(scope, RULES)
    if rejection is not None:
        assert rejection.status in STATUSES
        return
    names = [name for name, _ in headers]
    assert names.count(b"host") == 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    assert path.startswith(b"/")
    assert not path.startswith((b"//", b"/\\"))
    plain = path.lower().replace(b"%2e", b".").replace(b"%2f", b"/").replace(b"%5c", b"\\").replace(b"\\", b"/")
    assert not {b".", b".."} & set(plain.split(b"/"))
    assert not any(byte < 32 and byte != 9 for name, value in headers for byte in name + value)
