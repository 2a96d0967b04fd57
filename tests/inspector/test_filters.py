from __future__ import annotations

import pytest

from proxy.inspector.filters import MAX_ROWS, PAGE_ROWS, BadParameter, unknown, view
from proxy.ledger.filters import Filter
from tests.inspector.filling import NOW_NS, SECOND

ID = "px_01M7Z8HASVPA9Q63S42FKGWDQ3"


def test_no_parameters_are_the_newest_model_calls() -> None:
    seen = view({}, NOW_NS)

    assert (seen.where, seen.narrowed, seen.limit, seen.before) == (Filter(), False, PAGE_ROWS, None)


def test_every_parameter_reaches_the_filter() -> None:
    """S0-10 … S0-12, S0-30, S0-33"""
    given = {
        "model": " sonnet ", "from": "2026-11-21T12:51:31Z", "to": "2026-11-21T14:51:31+02:00", "status": "4xx",
        "outcome": "failed", "endpoint": "e", "operation": "all", "session_id": "s", "key": "k",
        "finish_reason": "end_turn", "request_id": "r",
    }  # fmt: skip

    assert view({**given, "before": ID, "limit": "7"}, NOW_NS).where == Filter(
        model="sonnet", since_ns=NOW_NS, until_ns=NOW_NS, status="4xx", outcome="failed", endpoint="e", operation="all",
        session_id="s", key="k", finish_reason="end_turn", request_id="r",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "since_ns"),
    [
        ("15m", NOW_NS - 900 * SECOND),
        ("2d", NOW_NS - 172_800 * SECOND),
        ("2026-11-21", NOW_NS - 46_291 * SECOND),
        ("2026-11-21T12:51:31", NOW_NS),
    ],
)
def test_times_are_ages_dates_or_instants_in_utc(text: str, since_ns: int) -> None:
    assert view({"from": text}, NOW_NS).where.since_ns == since_ns


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("from", "yesterday"), ("to", "99999d9"), ("from", "0001-01-01T00:00+23:59"), ("status", "20"),
        ("status", "4xy"), ("to", "9999-01-01"),
        ("outcome", "great"), ("operation", "drop table"), ("before", "px_1"), ("after", "' OR 1=1"), ("limit", "0"),
        ("limit", str(MAX_ROWS + 1)), ("limit", "٣"), ("limit", "9" * 5000), ("limit", "0" * 8 + "1" * 5),
        ("limit", "0" * 8 + "1" + "9" * 5000), ("model", "x" * 257), ("key", "a\x00b"),
    ],
)  # fmt: skip
def test_nonsense_is_one_sentence_that_names_the_parameter(name: str, value: str) -> None:
    """H10"""
    with pytest.raises(BadParameter, match=f"^'{name}' must be [^\n]*\\.$"):
        view({name: value}, NOW_NS)


def test_addresses_keep_the_filters_and_leave_cursors_out() -> None:
    seen = view({"model": "a&b", "outcome": "ok", "limit": "5", "before": ID}, NOW_NS)

    assert seen.address("/requests") == "/requests?model=a%26b&outcome=ok&limit=5"
    assert seen.address("/requests", outcome=None, limit=None, before=ID) == f"/requests?model=a%26b&before={ID}"
    assert view({}, 0).address("/requests") == "/requests"


def test_unknown_parameters_are_named() -> None:
    assert unknown({"model": "x", "before": "y"}) is None
    assert unknown({"model": "x", "modle": "y"}) == "modle"
