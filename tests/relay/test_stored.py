"""What of a capture is stored per hop."""

from __future__ import annotations

from dataclasses import replace

from proxy.exchange import Hop
from proxy.ledger.changes import Body
from proxy.reading.redact import Redactor
from proxy.relay.capture import Copy
from proxy.relay.stored import body_of, capture_reasons, headers_by_hop, stored_bodies
from tests.kit.laws import API_KEY
from tests.relay.test_finish import captured

REDACTOR = Redactor([API_KEY], b"salt")


def copied(data: bytes, limit: int = 1000) -> Copy:
    copy = Copy(limit)
    copy.add(data)
    return copy


def test_a_hop_equal_to_its_neighbour_names_it() -> None:
    bodies = stored_bodies(captured(), REDACTOR, kept=True)
    assert bodies[Hop.UPSTREAM_REQUEST] is Hop.CLIENT_REQUEST
    assert bodies[Hop.CLIENT_RESPONSE] is Hop.UPSTREAM_RESPONSE


def test_an_answer_of_ours_is_stored_as_what_the_client_got() -> None:
    capture = replace(captured(), own_answer=b"no", upstream_headers=(), attempts=[])
    bodies = stored_bodies(capture, REDACTOR, kept=True)
    answer = bodies[Hop.CLIENT_RESPONSE]
    assert isinstance(answer, Body)
    assert (b"".join(answer.chunks), set(bodies)) == (b"no", {Hop.CLIENT_REQUEST, Hop.CLIENT_RESPONSE})


def test_why_a_body_is_not_whole_is_said() -> None:
    """S0-28"""
    whole, head = (
        body_of(copied(b"abc"), None, REDACTOR, kept=True),
        body_of(copied(b"abc", 2), None, REDACTOR, kept=True),
    )
    off = body_of(copied(b"abc"), None, REDACTOR, kept=False)
    dropped = copied(b"abc")
    dropped.drop("queue_full")
    shed = body_of(dropped, None, REDACTOR, kept=True)
    assert [body.capture for body in (whole, head, off, shed)] == [None, "too_large", "off", "queue_full"]
    assert {(body.size, body.sha256) for body in (whole, head, off, shed)} == {(3, whole.sha256)}
    assert capture_reasons({Hop.CLIENT_REQUEST: head, Hop.UPSTREAM_RESPONSE: whole}) == {
        "redacted": False,
        "request_capture": "too_large",
        "response_capture": None,
    }


def test_a_masked_body_is_marked() -> None:
    """L5"""
    body = body_of(copied(b"key: " + API_KEY.encode()), None, REDACTOR, kept=True)
    assert body.redacted
    assert API_KEY.encode() not in b"".join(body.chunks)


def test_a_secret_that_the_limit_cuts_is_not_stored_in_part() -> None:
    """L5"""
    whole = b"key: " + API_KEY.encode() + b" and more"
    for limit in range(5 + 8, 5 + len(API_KEY)):
        assert b"".join(body_of(copied(whole, limit), None, REDACTOR, kept=True).chunks) == b"key: "


def test_only_hops_that_there_were_have_headers() -> None:
    refused = replace(captured(), upstream_headers=(), returned_headers=(), attempts=[])
    assert set(headers_by_hop(refused)) == {Hop.CLIENT_REQUEST}
    assert set(headers_by_hop(captured())) == set(Hop)
