"""Escapes are read as JSON and URLs read them, and every place leads back to where it was written."""

from __future__ import annotations

import json
import re
from time import thread_time
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.reading.redaction import escapes
from proxy.reading.redaction.escapes import unescaped, whole_escapes
from proxy.reading.redaction.redactor import Redactor
from proxy.reading.redaction.scan import Scanner, Unsearchable
from tests.kit.secrets import SECRETS

SCANNER = Scanner()

OWN = "caller-secret-0123456789"
REDACTOR = Redactor([OWN], b"salt", SCANNER)
SPELLINGS = {
    "json": lambda each: f"\\u{ord(each):04x}",
    "json upper": lambda each: f"\\u{ord(each):04X}",
    "json in json": lambda each: f"\\\\u{ord(each):04x}",
    "url": lambda each: f"%{ord(each):02x}",
    "url upper": lambda each: f"%{ord(each):02X}",
}


def spelt(text: str, how: str, every: int) -> str:
    """The text with every so many characters written as an escape, the first one too."""
    return "".join(SPELLINGS[how](each) if not at % every else json.dumps(each)[1:-1] for at, each in enumerate(text))


def core(secret: str) -> bytes:
    """The middle of the longest run of a secret: no mask shows it."""
    longest: str = max(re.findall(r"[A-Za-z0-9_]+", secret), key=len)
    return longest[len(longest) // 2 - 4 : len(longest) // 2 + 4].encode()


def test_what_has_no_escapes_is_not_copied() -> None:
    assert unescaped(b'{"a": "b\\n\\"c\\""}') is None
    assert unescaped(b"100 %, \\u00e9, \\u001b[0m, \\\\") is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([b"a", b"\\", b"\\u0073", b"\\\\u002D", b"\\/", b"%2f", b"%", b"\\n", b"\\u00e9"])))
def test_every_place_leads_back_to_where_it_was_written(parts: list[bytes]) -> None:
    data = b"".join(parts)
    seen = unescaped(data)
    if seen is None:
        return
    origins = [seen.origin(place) for place in range(len(seen.data) + 1)]
    assert origins == sorted(set(origins))
    assert (origins[0], origins[-1]) == (0, len(data))
    for start, end, byte in zip(origins, origins[1:], seen.data, strict=False):
        written = data[start:end]
        assert written == bytes([byte]) or written[:1] in b"\\%"
        assert [seen.place(start), seen.place(start + 1)] == [origins.index(start), origins.index(end)]


@pytest.mark.parametrize("how", SPELLINGS)
@pytest.mark.parametrize("every", [1, 3, 100])
@pytest.mark.parametrize("name", [*SECRETS, "caller"])
def test_a_secret_is_masked_whole_however_it_is_escaped(name: str, every: int, how: str) -> None:
    """H1, L5"""
    secret = OWN if name == "caller" else SECRETS[name]
    body = b'{"a": "b\\u003cc", "text": "before ' + spelt(secret, how, every).encode() + b' after"}'
    masked = REDACTOR.body(body)
    assert masked.found
    assert masked.data.startswith(b'{"a": "b\\u003cc", "text": "before ')
    text = json.loads(masked.data)["text"].encode()
    left = unescaped(text)
    assert core(secret) not in (text if left is None else left.data)


def test_a_masked_escape_leaves_everything_else_as_it_was() -> None:
    before, after = b'{"a": "\\u00e9 \\\\u0041 \\/ 50%25 ', b' \\u0026 %41", "b": 1.0e5}'
    masked = REDACTOR.body(before + b"\\u0063aller-secret\\u002d0123456789" + after)
    assert masked.data == before + REDACTOR.mask(OWN).encode() + after
    assert masked.found == {"caller": 1}


@pytest.mark.parametrize(
    "query",
    ["x=%73k-ant-api03%2dabcdefghij0123456789", "a=b%26key%3dabcdefgh12345678", "x=caller%2dsecret%2d0123456789"],
)
def test_lower_case_escapes_of_a_query_hide_nothing(query: str) -> None:
    """H1"""
    masked = REDACTOR.query(query)
    assert "***" in masked
    assert "0123456789" not in masked.partition("-")[0]
    assert unquote_to_bytes(query)[-12:] not in unquote_to_bytes(masked)


@pytest.mark.parametrize(
    "end",
    [
        "\\u0063aller-secret-012",
        "caller-s\\u0065cret-012",
        "caller-secret-\\u00",
        "caller-secret-%3",
        "\\u0067hp_abcdefgh",
    ],
)
def test_the_beginning_of_an_escaped_secret_at_a_torn_end_goes(end: str) -> None:
    """L5, C12"""
    masked = REDACTOR.body(b'{"text": "you sent ' + end.encode(), torn=True)
    assert (masked.data, masked.found) == (b'{"text": "you sent ', {"torn": 1})


def test_escapes_that_the_end_cuts_are_left_out() -> None:
    cuts = (b"a\\", b"a\\u", b"a\\u007", b"a%", b"a%7", b"a\\\\u00")
    assert [whole_escapes(each) for each in cuts] == [b"a"] * len(cuts)
    assert whole_escapes(b"a\\u0073") == b"a\\u0073"


def test_a_body_of_escapes_alone_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escapes, "MOST", 100)
    assert unescaped(b"%41" * 99) is not None
    with pytest.raises(Unsearchable):
        unescaped(b"%41" * 100)


@pytest.mark.parametrize("part", [b"\\", b"\\u00", b"%", b"\\\\u007"])
def test_text_made_of_half_escapes_is_read_in_one_pass(part: bytes) -> None:
    begun = thread_time()
    assert unescaped(part * (1_000_000 // len(part)) + b"%41") is not None
    assert whole_escapes(b"\\" * 4_096 + b" ") == b"\\" * 4_096 + b" "
    assert thread_time() - begun < 10


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"\\u006e", b"n"),
        (b"\\\\u006e", b"n"),
        (b"\\\\\\\\u006e", b"n"),
        (b"\\\\\\u006e", b"\\\\n"),
        (b"\\\\\\\\\\\\u006e", b"\\\\\\\\n"),
        (b"a\\/b\\\\/c", b"a/b/c"),
        (b"%5c%2F%0a\\u000A", b"\\/\n\n"),
    ],
)
def test_backslashes_that_stand_for_themselves_stay(written: bytes, read: bytes) -> None:
    seen = unescaped(written)
    assert seen is not None
    assert seen.data == read


@pytest.mark.parametrize("escape", [b"\\u0073", b"\\/", b"%73"])
@pytest.mark.parametrize("size", [100, 5_000, 262_140, 262_142, 600_000])
def test_an_escape_is_seen_wherever_it_stands(escape: bytes, size: int) -> None:
    for before in (size - 60, size - 2):
        seen = unescaped(b" %\\u00e9" + b"x" * before + escape + b"y")
        assert seen is not None
        assert seen.data[-2:-1] in b"s/"
