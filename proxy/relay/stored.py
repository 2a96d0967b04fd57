"""What of a capture is stored: bodies and headers per hop, with secrets masked in bodies."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, TypedDict, TypeVar

from proxy.exchange import Headers, Hop
from proxy.ledger.changes import Body
from proxy.reading.redaction.redactor import Redactor
from proxy.reading.redaction.scan import Unsearchable
from proxy.reading.redaction.spans import Masked
from proxy.reading.turns import Turn
from proxy.relay import headers
from proxy.relay.capture import Capture, Copy

UNSEARCHED = "unsearched"
"""Why a body is not stored: it could not be searched for secrets."""
F = TypeVar("F")

log = logging.getLogger(__name__)
_NOTHING = Masked(b"", {})


class Stored(NamedTuple):
    """What is stored of the bodies of one exchange."""

    bodies: Mapping[Hop, Body | Hop]
    found: Counter[str]
    """How many secrets were masked, by rule."""
    chunks: Sequence[tuple[int, float]]
    """When the chunks of the answer arrived, by their place in what is stored of it."""
    sent: Body
    answer: Body | None
    """The upstream's."""


def stored_bodies(
    capture: Capture, redactor: Redactor, *, kept: bool, failed: Callable[[], None], torn: bool = False
) -> Stored:
    """What is stored of every body; a hop equal to its neighbour names it. `torn`: the answer breaks off somewhere."""
    coding = encoding(capture.headers) if kept else None
    sent, masked = body_of(capture.request, coding, redactor, kept=kept, failed=failed, turn=capture.turn)
    answer: Body | None = None
    bodies: dict[Hop, Body | Hop] = {Hop.CLIENT_REQUEST: sent}
    found = Counter[str]()
    if masked.found:
        found.update(masked.found)
    chunks: Sequence[tuple[int, float]] = tuple(capture.chunks)
    if capture.attempts:
        bodies[Hop.UPSTREAM_REQUEST] = Hop.CLIENT_REQUEST
    if capture.upstream_headers is not None:
        coding = encoding(capture.upstream_headers) if kept else None
        answer, masked = body_of(capture.response, coding, redactor, kept=kept, failed=failed, torn=torn)
        bodies[Hop.UPSTREAM_RESPONSE] = answer
        if masked.found:
            found.update(masked.found)
            chunks = _placed(chunks, masked.edits)
    if capture.own_answer is not None:
        own = Copy(len(capture.own_answer))
        own.add(capture.own_answer)
        bodies[Hop.CLIENT_RESPONSE], masked = body_of(own, None, redactor, kept=kept, failed=failed)
        found.update(masked.found)
    elif capture.upstream_headers is not None:
        bodies[Hop.CLIENT_RESPONSE] = Hop.UPSTREAM_RESPONSE
    return Stored(bodies, found, chunks if len(chunks) > 1 else (), sent, answer)


def body_of(
    copy: Copy,
    coding: str | None,
    redactor: Redactor,
    *,
    kept: bool,
    failed: Callable[[], None],
    torn: bool = False,
    turn: Turn | None = None,
) -> tuple[Body, Masked]:
    """What is stored of a body, nothing, its head or all, and what was masked in it.

    `failed` is told when it could not be searched for secrets; then nothing of it is stored.
    """
    if not kept or copy.dropped:
        return _absent(copy, copy.dropped or "off", turn)
    reason = None if copy.whole else "too_large"
    data = copy.joined()
    try:
        masked = Masked(data, {}) if copy.clean else redactor.body(data, coding, torn=torn or not copy.whole, turn=turn)
    except Unsearchable:
        return _absent(copy, UNSEARCHED, turn)
    except Exception:
        log.exception("a body could not be searched for secrets")
        failed()
        return _absent(copy, UNSEARCHED, turn)
    copy.clean = copy.whole and not masked.found
    stored = masked.data if copy.whole or coding else redactor.whole_words(masked.data)
    return Body((stored,), copy.size, copy.sha256(turn), reason, bool(masked.found)), masked


def _absent(copy: Copy, reason: str, turn: Turn | None) -> tuple[Body, Masked]:
    return Body((), copy.size, copy.sha256(turn), reason), _NOTHING


def _placed(
    chunks: Sequence[tuple[int, float]], edits: Sequence[tuple[int, int, int]] | None
) -> Sequence[tuple[int, float]]:
    """The chunks where they stand in the masked body; none where nobody knows."""
    if not edits:
        return chunks if edits is not None else ()
    placed, done, moved = [], 0, 0
    for offset, at_ms in chunks:
        while done < len(edits) and edits[done][1] <= offset:
            start, end, length = edits[done]
            moved += length - (end - start)
            done += 1
        inside = done < len(edits) and edits[done][0] < offset
        placed.append(((edits[done][0] if inside else offset) + moved, at_ms))
    return tuple(placed)


def headers_by_hop(capture: Capture) -> dict[Hop, Headers]:
    """The header fields of every hop there was, as text, nothing masked yet."""
    by_hop = {Hop.CLIENT_REQUEST: capture.headers}
    if capture.attempts:
        by_hop[Hop.UPSTREAM_REQUEST] = capture.sent_headers
    if capture.upstream_headers is not None:
        by_hop[Hop.UPSTREAM_RESPONSE] = capture.upstream_headers
    if capture.returned_headers:
        by_hop[Hop.CLIENT_RESPONSE] = capture.returned_headers
    told = of_every_hop(headers.text, by_hop)
    capture.text = told[Hop.CLIENT_REQUEST]
    return told


def of_every_hop(make: Callable[[tuple[F, ...]], Headers], by_hop: Mapping[Hop, Sequence[F]]) -> dict[Hop, Headers]:
    """What is made, at once, of the fields of every hop, one for each."""
    made = make(tuple(chain.from_iterable(by_hop.values())))
    told, place = {}, 0
    for hop, fields in by_hop.items():
        end = place + len(fields)
        told[hop], place = made[place:end], end
    return told


def request_headers(capture: Capture) -> Headers:
    """The client's header fields as text, decoded once however many ask."""
    if capture.text is None:
        capture.text = headers.text(capture.headers)
    return capture.text


class Reasons(TypedDict):
    """Fields of the record."""

    redacted: bool
    request_capture: str | None
    response_capture: str | None


def capture_reasons(bodies: Mapping[Hop, Body | Hop]) -> Reasons:
    """Whether bodies are stored as they were on the wire, and why not."""
    sent, answer = bodies.get(Hop.CLIENT_REQUEST), bodies.get(Hop.UPSTREAM_RESPONSE) or bodies.get(Hop.CLIENT_RESPONSE)
    return {
        "redacted": True in [type(body) is Body and body.redacted for body in bodies.values()],
        "request_capture": sent.capture if isinstance(sent, Body) else None,
        "response_capture": answer.capture if isinstance(answer, Body) else None,
    }


def encoding(fields: headers.RawHeaders) -> str | None:
    """The content coding that a message names."""
    value = headers.first(fields, b"content-encoding")
    return None if value is None else value.decode("latin-1")
