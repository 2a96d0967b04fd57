"""How requests end; whole records are in test_finish."""

from __future__ import annotations

import pytest

from proxy.exchange import Outcome
from proxy.reading.facts import ResponseFacts
from proxy.relay.errors import ClientDisconnected
from proxy.relay.outcome import outcome
from tests.relay.test_finish import captured


@pytest.mark.parametrize(
    ("status", "facts", "ended"),
    [
        (200, ResponseFacts(), Outcome.OK),
        (200, ResponseFacts(complete=False), Outcome.TRUNCATED),
        (204, ResponseFacts(complete=False), Outcome.OK),
        (200, ResponseFacts(error_type="overloaded_error"), Outcome.ERROR_IN_STREAM),
        (529, ResponseFacts(error_type="overloaded_error"), Outcome.UPSTREAM_ERROR),
        (500, ResponseFacts(), Outcome.UPSTREAM_ERROR),
    ],
)
def test_an_answer_says_how_its_request_ended(status: int, facts: ResponseFacts, ended: Outcome) -> None:
    capture = captured()
    capture.status = status
    assert outcome(capture, facts)["outcome"] is ended


def test_what_was_seen_goes_before_what_is_said() -> None:
    capture = captured()
    capture.status, capture.error = 500, ClientDisconnected("the client left.")
    assert outcome(capture, ResponseFacts())["outcome"] is Outcome.CLIENT_DISCONNECTED
