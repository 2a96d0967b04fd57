"""One line per call."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from proxy.exchange import Exchange, Outcome
from proxy.ledger.costs import Cost
from proxy.ledger.queries import Listed
from proxy.observer.terminal import call_line, printer
from tests.observer.samples import exchange, refused, request_id

PAID = Listed(exchange(), Cost("v1", Decimal("0.012072")))
TIME = datetime.fromtimestamp(exchange().started_ns / 1e9).strftime("%H:%M:%S")


def test_a_line_says_time_status_model_tokens_cost_and_duration() -> None:
    assert re.sub(" +", " ", call_line(PAID, color=False)) == (
        f"{TIME} 200 claude-sonnet-4-6 19,504 in 24 out $0.0121 2,005 ms"
    )


def test_what_is_not_known_is_a_dash() -> None:
    bare = Exchange(request_id(1), "relay-1", exchange().started_ns, "GET", "/v1/models", "default", Outcome.OK)
    assert re.sub(" +", " ", call_line(Listed(bare, None), color=False)) == (
        f"{TIME} --- GET /v1/models — in — out — —"
    )


def test_a_failure_says_what_happened() -> None:
    line = call_line(Listed(refused(), None), color=False)
    assert "429" in line
    assert line.endswith(f"upstream_error: rate_limit_error: {refused().error_message}")


@pytest.mark.parametrize(
    ("one", "code"),
    [
        (exchange(), "32"),
        (refused(), "31"),
        (replace(exchange(), outcome=Outcome.CLIENT_DISCONNECTED), "33"),
    ],
)
def test_colour_shows_how_it_ended_and_can_be_left_out(one: Exchange, code: str) -> None:
    assert f"\x1b[{code}m{one.status}\x1b[0m" in call_line(Listed(one, None), color=True)
    assert "\x1b" not in call_line(Listed(one, None), color=False)


@pytest.mark.parametrize("text", ["\x1b[2J\x07", "a\nb\r", "\u202eabc", "\x9b31m", "\ud800"])
def test_nobody_writes_to_the_terminal_through_a_name(text: str) -> None:
    line = call_line(Listed(replace(refused(), model=text, error_message=text), None), color=False)
    assert line.isprintable()


def test_machines_get_json_lines() -> None:
    stream = io.StringIO()
    tell = printer(stream, on_terminal=False, color=True)
    tell([replace(PAID, exchange=replace(PAID.exchange, duration_ms=2005.00012)), Listed(refused(), None)])
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first.pop("time")
    assert first == {
        "level": "INFO",
        "logger": "proxy.calls",
        "msg": "completed",
        "request_id": request_id(1),
        "status": 200,
        "outcome": "ok",
        "endpoint": "default",
        "operation": "messages",
        "model": "claude-sonnet-4-6",
        "input_tokens_total": 19_504,
        "output_tokens": 24,
        "cost_usd": 0.012072,
        "duration_ms": 2005.0,
    }
    assert second["error_type"] == "rate_limit_error"


def test_a_terminal_gets_lines_at_once() -> None:
    stream = io.StringIO()
    printer(stream, on_terminal=True, color=False)([PAID])
    assert stream.getvalue() == call_line(PAID, color=False) + "\n"
