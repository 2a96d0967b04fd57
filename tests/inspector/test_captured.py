from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from proxy.exchange import Exchange, Hop, Outcome
from proxy.inspector.captured import MAX_SHOWN, Captured, captured, shown
from proxy.inspector.ledger import Ledger
from proxy.ledger.bodies import Part, StoredBody
from proxy.ledger.changes import Body, Finished
from proxy.ledger.queries import headers
from tests.inspector.conftest import Sample
from tests.inspector.filling import NOW_NS, accepted, answered, telling


def look(sample: Sample, name: str, hop: Hop, exchange: Exchange | None = None) -> Captured:
    request_id = sample.ids[name]
    with Ledger(sample.folder.ledger).read() as conn:
        return captured(conn, exchange or answered(request_id), headers(conn, request_id), hop)


def test_a_stored_body_is_decoded(sample: Sample) -> None:
    seen = look(sample, "gzip", Hop.UPSTREAM_RESPONSE)

    assert seen.data.startswith(b"event: message_start")
    assert (seen.is_stream, seen.notes, seen.link) == (True, (), "upstream_response")


def test_a_body_that_was_not_captured_says_why(sample: Sample) -> None:
    """S0-28"""
    seen = look(sample, "uncaptured", Hop.CLIENT_REQUEST)

    assert (seen.data, seen.link) == (b"", None)
    assert seen.notes == ("The body is not stored: capture was off for this request.",)


@pytest.mark.parametrize(
    ("exchange", "hop", "note"),
    [
        (accepted("px_1"), Hop.UPSTREAM_RESPONSE, "The request is still running; bodies are stored when it ends."),
        (answered("px_1", attempts=()), Hop.UPSTREAM_REQUEST, "The request was not forwarded."),
        (answered("px_1", outcome=Outcome.UPSTREAM_TIMEOUT), Hop.UPSTREAM_RESPONSE, "The upstream sent no response."),
        (answered("px_1", status=None), Hop.CLIENT_RESPONSE, "No response was sent."),
        (answered("px_1"), Hop.CLIENT_REQUEST, "Nothing is stored of this stage."),
    ],
)
def test_a_stage_without_a_body_says_what_that_means(sample: Sample, exchange: Exchange, hop: Hop, note: str) -> None:
    assert look(sample, "open", hop, exchange).notes == (note,)


def test_a_cut_and_masked_body_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    head = Body((b'{"a": 1',), 5000, hashlib.sha256(b"").hexdigest(), "too_large", redacted=True)
    with telling(tmp_path_factory.mktemp("cut")) as told:
        exchange = replace(answered(told.id_at(NOW_NS)), redactions='{"caller": 2, "github": 1}')
        told.tell(Finished(exchange, {}, {Hop.CLIENT_REQUEST: head}))
        told.settle(exchange.request_id)
        with Ledger(told.folder.ledger).read() as conn:
            seen = captured(conn, exchange, {}, Hop.CLIENT_REQUEST)

    assert seen.notes == (
        "Only the first 7 B of 5 kB are stored: it is larger than the capture limit.",
        "Secrets were masked in what is stored (in the whole request: 2 × caller, 1 × github).",
    )


def made(data: bytes) -> Captured:
    return Captured(
        Hop.CLIENT_REQUEST, (), StoredBody(len(data), None, None, False, len(data), (Part("raw", data),)), data, ()
    )


def test_json_is_indented_as_it_was_written() -> None:
    part, cut = shown(made(b'{"a":1.0,"a":[2]}'))

    assert part is not None
    assert "".join(piece.text for piece in part.pieces) == '{\n  "a": 1.0,\n  "a": [\n    2\n  ]\n}'
    assert (part.language, cut) == ("json", 0)


@pytest.mark.parametrize("data", [b"plain", b"{broken", b"\xff\xfe", b"[" * 50_000, b"x" * (MAX_SHOWN + 7)])
def test_everything_else_is_shown_as_text(data: bytes) -> None:
    part, cut = shown(made(data))

    assert part is not None
    assert (part.language, cut) == ("", max(0, len(data) - MAX_SHOWN))
