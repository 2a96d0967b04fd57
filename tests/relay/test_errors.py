"""The relay's errors as facts of a record."""

from __future__ import annotations

import pytest

from proxy.exchange import Outcome
from proxy.relay.errors import (
    ClientDisconnected,
    Internal,
    Rejected,
    RelayError,
    ShuttingDown,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)


@pytest.mark.parametrize(
    ("error", "outcome", "status"),
    [
        (Rejected("no.", status=403, error_type="forbidden"), Outcome.REJECTED, 403),
        (UpstreamUnreachable("no.", error_type="dns"), Outcome.UPSTREAM_UNREACHABLE, 502),
        (UpstreamTimeout("late.", error_type="idle_timeout"), Outcome.UPSTREAM_TIMEOUT, 504),
        (UpstreamTruncated("cut.", error_type="reset"), Outcome.TRUNCATED, 502),
        (ClientDisconnected("gone."), Outcome.CLIENT_DISCONNECTED, 499),
        (ShuttingDown(), Outcome.INTERRUPTED, 503),
        (Internal(), Outcome.PROXY_ERROR, 500),
    ],
)
def test_every_error_has_its_outcome_and_status(error: RelayError, outcome: Outcome, status: int) -> None:
    assert (error.outcome, error.status) == (outcome, status)
    assert str(error).endswith(".")


def test_the_outcomes_of_errors_are_told_apart() -> None:
    outcomes = [kind.outcome for kind in RelayError.__subclasses__()]
    assert len(outcomes) == len(set(outcomes)) == 7
