"""What a reply that took a batch says besides."""

from __future__ import annotations

import pytest

from proxy.observer.delivery.replies import RESPONSES, Reply, Signal, Verdict, taken

FIELDS = {
    Signal.METRICS: "rejected_data_points",
    Signal.LOGS: "rejected_log_records",
    Signal.SPANS: "rejected_spans",
}


@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize(("said", "rejected"), [(0, 0), (3, 3), (-3, 0)])
def test_records_that_were_not_taken_are_counted_and_never_negative(signal: Signal, said: int, rejected: int) -> None:
    response = RESPONSES[signal]()
    setattr(response.partial_success, FIELDS[signal], said)
    response.partial_success.error_message = "too \x1bold"
    assert taken(signal, response, 200) == Reply(Verdict.DELIVERED, r"too \x1bold", 200, rejected=rejected)
