"""Redaction of bodies, headers and queries: the caller's secret is gone, everything else is where it was."""

from __future__ import annotations

import json
from functools import cache

from proxy.reading.encodings import is_text
from proxy.reading.redaction.redactor import Redactor
from proxy.reading.redaction.scan import Scanner, Unsearchable
from tests.fuzz.targets import fields

SECRET = "sk-ant-api03-" + "Canary0123456789" * 3 + "-wXyZ"
TOKENS = (
    b"\xff",
    b"@",
    b"{",
    b"}",
    b'"',
    b":",
    b",",
    b'{"key":"',
    b"Bearer ",
    b"sk-ant-api03-",
    b"AIza",
    b"ghp_",
    b"eyJ",
    b"-----BEGIN PRIVATE KEY-----",
    b"event: content_block_delta\ndata: ",
    b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"',
    b'"}}\n\n',
    b"\n\n",
    b"api_key=",
    b"&",
    b"=",
    b"%",
    b"\\u0073",
    b"\\",
    b"password",
    b"xoxb-",
    b"AKIA",
    b"data: ",
    b"a" * 30,
    b"1" * 30,
)


@cache
def _redactor() -> Redactor:
    return Redactor([SECRET], b"salt", Scanner())


def check(data: bytes) -> None:
    """`@` stands for the secret, plain in bodies, queries and headers."""
    body, query, value = (part.replace(b"@", SECRET.encode()) for part in fields(data, 3))
    redactor = _redactor()
    for torn in (False, True):
        try:
            masked = redactor.body(body, torn=torn)
        except Unsearchable:
            assert not is_text(body)
            continue
        assert SECRET.encode() not in masked.data
        if not masked.found:
            assert masked.data == body
        elif masked.edits is not None:
            _same_between(body, masked.data, masked.edits)
    text = query.decode("latin-1")
    assert SECRET not in redactor.query(text)
    name = "x-note"
    [(kept, shown)] = redactor.headers(((name, value.decode("latin-1")),))
    assert kept == name
    assert SECRET not in shown
    json.dumps(shown)


def _same_between(before: bytes, after: bytes, edits: tuple[tuple[int, int, int], ...]) -> None:
    at, made = 0, 0
    for start, end, length in edits:
        assert at <= start <= end <= len(before)
        assert after[made : made + start - at] == before[at:start]
        at, made = end, made + start - at + length
    assert after[made:] == before[at:]
