"""What is said of troubles."""

from __future__ import annotations

import pytest

from proxy.observer.complaints import Complaints
from proxy.observer.delivery.replies import Reply, Signal, Verdict


def test_trouble_is_said_at_once_then_once_a_minute_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """G12."""
    now = 0.0
    complaints = Complaints(Signal.LOGS, lambda: now)
    for second in range(150):
        now = float(second)
        complaints.failed(Reply(Verdict.MISCONFIGURED, "status 401"))
    complaints.delivered()
    complaints.delivered()
    failing = "logs are not delivered (status 401): check endpoint and credentials; they are kept"
    assert [each.getMessage() for each in caplog.records] == [failing] * 3 + ["logs are delivered again"]


def test_a_failure_of_our_own_is_said_with_its_traceback_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints(Signal.SPANS, lambda: 0.0)
    for _ in range(5):
        try:
            raise OSError("disk gone")
        except OSError:
            complaints.broken()
    (line,) = caplog.records
    assert line.getMessage() == "sending of spans failed and goes on where it stands"
    assert line.exc_info is not None


def test_records_given_up_are_said_each_time(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints(Signal.LOGS)
    complaints.given_up(3, Reply(Verdict.DELIVERED, "too old"))
    assert [each.getMessage() for each in caplog.records] == ["3 of logs refused for good (too old)"]
