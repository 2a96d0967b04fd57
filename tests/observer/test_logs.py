"""Log records: whole records, what must not stand in a body, and the limits of Loki."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from proxy.exchange import Exchange, Outcome, Usage
from proxy.ledger.costs import Cost
from proxy.ledger.journal import JournalRow
from proxy.observer import logs
from proxy.observer.wire import Severity
from tests.observer.samples import attempt, exchange, refused, request_id
from tests.observer.sent import Log, log

ROW = JournalRow(7, 1_795_000_009_123_456_789, "finished", request_id(1))
COST = Cost("v1", Decimal("0.012072"))
PAGES = "http://127.0.0.1:8081/requests/"
EVERYTHING = {
    "request_id": request_id(1),
    "method": "POST",
    "path": "/v1/messages",
    "client": "claude-cli/2.0",
    "endpoint": "default",
    "organization": "acme",
    "key": "caller-abcdefgh",
    "session_id": "session-1",
    "account": "acme",
    "provider": "anthropic",
    "upstream": "anthropic",
    "operation": "messages",
    "model": "claude-sonnet-4-6",
    "response_model": "claude-sonnet-4-6",
    "stream": True,
    "status": 200,
    "outcome": "ok",
    "finish_reason": "end_turn",
    "finish_reason_normalized": "stop",
    "input_tokens": 4,
    "input_tokens_total": 19_504,
    "output_tokens": 24,
    "cache_read_tokens": 18_000,
    "cache_creation_tokens": 1_500,
    "cache_creation_5m_tokens": 1_200,
    "cache_creation_1h_tokens": 300,
    "reasoning_tokens": 7,
    "usage_source": "final",
    "cost_usd": 0.012072,
    "billing": "pay_as_you_go",
    "duration_ms": 2005.0,
    "ttft_ms": 400.0,
    "output_rate": 15.028,
    "request_bytes": 70_000,
    "response_bytes": 900,
    "attempt_count": 1,
    "upstream_request_id": "req_1",
    "inspector_url": PAGES + request_id(1),
}


def records(one: Exchange, cost: Cost | None = COST) -> list[Log]:
    return [log(item) for item in logs.records(ROW, one, cost, PAGES)]


def body(record: Log) -> dict[str, object]:
    decoded = json.loads(str(record.body))
    assert isinstance(decoded, dict)
    return decoded


def test_a_success_is_one_record_with_everything_known() -> None:
    (record,) = records(exchange())
    assert record.attributes == EVERYTHING
    in_body = {name: value for name, value in EVERYTHING.items() if name not in ("path", "client")}
    assert body(record) == {"msg": "completed", **in_body}
    assert list(record.attributes) == list(EVERYTHING)
    assert (record.time_ns, record.severity) == (ROW.commit_ns, Severity.INFO)
    assert (record.trace_id, record.span_id) == (1, 16)


def test_what_is_not_known_is_absent() -> None:
    bare = Exchange(request_id(1), "relay-1", 1, "GET", "/", "default", outcome=Outcome.OK)
    (record,) = logs.records(ROW, bare, None, None)
    assert log(record).attributes == {
        "request_id": request_id(1),
        "method": "GET",
        "path": "/",
        "endpoint": "default",
        "operation": "other",
        "outcome": "ok",
        "usage_source": "none",
        "billing": "pay_as_you_go",
        "attempt_count": 0,
    }


def test_a_failed_attempt_is_told_before_the_end() -> None:
    error, completed = records(refused(), None)
    assert body(error) == {
        "msg": "upstream error",
        **{
            name: EVERYTHING[name]
            for name in ("request_id", "method", "path", "client", "endpoint", "organization", "key", "session_id")
        },
        "account": "acme",
        "provider": "anthropic",
        "upstream": "anthropic",
        "operation": "messages",
        "model": "claude-sonnet-4-6",
        "stream": True,
        "status": 429,
        "outcome": "upstream_error",
        "attempt": 1,
        "error_type": "rate_limit_error",
        "error_message": refused().error_message,
        "upstream_request_id": "req_1",
        "inspector_url": PAGES + request_id(1),
    }
    assert error.attributes == {name: value for name, value in body(error).items() if name != "msg"}
    assert body(completed)["msg"] == "completed"
    assert completed.attributes["error_message"] == refused().error_message
    assert error.severity is completed.severity is Severity.ERROR


def test_every_failed_attempt_has_a_record_of_its_own() -> None:
    overloaded = replace(attempt(1, status=529), error_type="overloaded_error")
    found = records(replace(exchange(), attempts=(overloaded, replace(overloaded, number=2), attempt(3))))
    assert [(body(each)["msg"], body(each).get("attempt")) for each in found] == [
        ("upstream error", 1),
        ("upstream error", 2),
        ("completed", None),
    ]
    assert len({str(each.body) for each in found}) == 3


def test_an_error_inside_a_stream_is_an_upstream_error_once() -> None:
    """F-29."""
    broken = replace(exchange(), outcome=Outcome.ERROR_IN_STREAM, error_type="overloaded_error", error_message="busy")
    error, _ = records(broken)
    assert body(error)["status"] == 200
    assert body(error)["error_type"] == "overloaded_error"
    told_twice = replace(broken, attempts=(replace(attempt(), error_type="overloaded_error"),))
    assert len(records(told_twice)) == 2


@pytest.mark.parametrize(
    "field", ["error_message", "model", "path", "client", "session_id", "customer_data", "endpoint", "workflow"]
)
@pytest.mark.parametrize(
    "text", ["completed", "upstream error", "upstream errorcompleted", "\fompleted", "\\completed"]
)
def test_no_text_can_pass_for_another_record(field: str, text: str) -> None:
    """O-9: queries look for the two phrases in the body."""
    error, completed = records(replace(refused(), **{field: text}))  # type: ignore[arg-type]
    if field == "error_message":
        error, completed = records(
            replace(refused(), error_message=text, attempts=(replace(refused().attempts[0], error_message=text),))
        )
    assert str(completed.body).count("completed") == 1
    assert "upstream error" not in str(completed.body)
    assert str(error.body).count("upstream error") == 1
    assert "completed" not in str(error.body)
    assert body(error).get(field, text) == text
    assert completed.attributes[field] == text


@pytest.mark.parametrize(
    ("outcome", "severity"),
    [
        (Outcome.OK, Severity.INFO),
        (Outcome.CLIENT_DISCONNECTED, Severity.WARN),
        *((each, Severity.ERROR) for each in Outcome if each not in (Outcome.OK, Outcome.CLIENT_DISCONNECTED)),
    ],
)
def test_severity_follows_the_outcome(outcome: Outcome, severity: Severity) -> None:
    found = records(replace(exchange(), outcome=outcome))
    assert found[-1].severity is severity
    assert [body(each)["msg"] for each in found].count("completed") == 1


def test_a_record_is_a_function_of_its_row() -> None:
    first = logs.records(ROW, refused(), COST, PAGES)
    records(exchange())
    assert logs.records(ROW, refused(), COST, PAGES) == first


@pytest.mark.parametrize("text", ["x" * 100_000, "ö" * 100_000, "\x00" * 100_000, "\ud800" * 5_000, '"' * 100_000])
def test_the_largest_record_stays_far_below_the_limits(text: str) -> None:
    """G7, F-47: at most 1 kB per attribute and 16 kB per record."""
    fields: tuple[str, ...] = ("path", "client", "key", "group", "workflow", "session_id", "agent_id", "model")
    fields += (
        "response_model",
        "customer_data",
        "error_message",
        "error_type",
        "organization",
        "account",
        "finish_reason",
    )
    huge = replace(refused(), **dict.fromkeys(fields, text))  # type: ignore[arg-type]
    for item in logs.records(ROW, huge, COST, PAGES):
        record = log(item)
        attributes = record.attributes
        assert max(len(str(value).encode()) for value in attributes.values()) <= 1024
        held = len(str(record.body).encode()) + sum(len(k) + len(str(v).encode()) for k, v in attributes.items())
        assert held <= logs.MOST_RECORD_BYTES
        assert len(attributes) < 128
        assert json.loads(str(record.body))
        assert len(item) < logs.MOST_RECORD_BYTES + 2_000


def test_tokens_of_the_dialect_are_told_as_the_record_has_them() -> None:
    (record,) = records(replace(exchange(), usage=Usage(input_tokens=0, output_tokens=0)), None)
    attributes = record.attributes
    assert (attributes["input_tokens"], attributes["output_tokens"]) == (0, 0)
    assert "cache_read_tokens" not in attributes
    assert "cost_usd" not in attributes
