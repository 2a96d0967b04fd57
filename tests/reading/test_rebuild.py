"""Stored answers become messages, whatever was stored."""

from __future__ import annotations

import pytest

from proxy.reading.rebuild import rebuild
from tests.reading.streams import STREAM, transcript


def test_operation_without_a_message_has_none() -> None:
    assert rebuild(b'{"data":[]}', "application/json", None, operation="models", dialect=None) is None


def test_answer_is_read_in_the_dialect_that_was_spoken() -> None:
    body = b"".join(transcript())
    message = rebuild(body, STREAM, None, operation="messages", dialect="anthropic")
    assert message is not None
    assert message["id"] == "msg_1"


@pytest.mark.parametrize("coding", [None, "gzip", "br", "x"])
def test_bytes_that_are_no_answer_are_no_message(coding: str | None) -> None:
    assert rebuild(b"\x00\xff", STREAM, coding, operation="messages", dialect="anthropic") is None
