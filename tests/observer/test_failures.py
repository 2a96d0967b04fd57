"""Failures: each once, whoever tells of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.exchange import Outcome
from proxy.observer.failures import Failure, failures
from tests.observer.samples import attempt, exchange, refused


def test_a_success_has_none() -> None:
    assert failures(exchange()) == []


def test_a_refused_request_failed_once() -> None:
    assert failures(refused()) == [
        Failure(1, "anthropic", None, 429, "rate_limit_error", refused().error_message, "req_1")
    ]


def test_failed_attempts_before_a_success_count() -> None:
    first = replace(attempt(1, status=None), error_type="connect", credential="team-a", upstream_request_id=None)
    one = replace(exchange(), attempts=(first, replace(attempt(2, status=529)), attempt(3)))
    assert [(each.attempt, each.status, each.error_type, each.credential) for each in failures(one)] == [
        (1, None, "connect", "team-a"),
        (2, 529, None, None),
    ]


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome.ERROR_IN_STREAM,
        Outcome.TRUNCATED,
        Outcome.UPSTREAM_TIMEOUT,
        Outcome.UPSTREAM_UNREACHABLE,
        Outcome.UPSTREAM_ERROR,
    ],
)
def test_what_only_the_exchange_tells_counts_once(outcome: Outcome) -> None:
    one = replace(exchange(), outcome=outcome, error_type="reset", error_message="gone")
    assert [(each.attempt, each.status, each.error_type, each.error_message) for each in failures(one)] == [
        (1, 200, "reset", "gone")
    ]
    assert [each.attempt for each in failures(replace(one, attempts=()))] == [None]


@pytest.mark.parametrize(
    "outcome", [Outcome.CLIENT_DISCONNECTED, Outcome.REJECTED, Outcome.PROXY_ERROR, Outcome.INTERRUPTED]
)
def test_what_is_not_the_upstreams_fault_is_no_upstream_error(outcome: Outcome) -> None:
    assert failures(replace(exchange(), outcome=outcome, error_type="limit")) == []


def test_a_bare_attempt_takes_its_words_from_the_exchange() -> None:
    one = replace(refused(), attempts=(attempt(1, status=429),))
    assert failures(one)[0].error_type == "rate_limit_error"
