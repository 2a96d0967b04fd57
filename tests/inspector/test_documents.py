from __future__ import annotations

import json
from decimal import Decimal

from proxy.inspector.documents import JSON_FIELDS, PLAIN_FIELDS, document, encoded
from proxy.ledger.costs import Cost, LineItem
from proxy.ledger.queries import Listed
from proxy.names.fields import FIELDS
from tests.inspector.filling import accepted, answered

COST = Cost("prices 1", Decimal("0.051006"), (LineItem("prompt", 16_527, Decimal("0.049581"), Decimal(3)),))


def test_names_are_those_of_the_log() -> None:
    known = {"cost_usd", *PLAIN_FIELDS, *JSON_FIELDS}
    own_of_the_log = {"inspector_url"}

    assert {field.name for field in FIELDS} - known - own_of_the_log - {"attempt"} == set()


def test_a_document_holds_everything_but_bodies() -> None:
    seen = json.loads(encoded(document(Listed(answered("px_1"), COST))))

    assert seen["request_id"] == "px_1"
    assert seen["time"] == "2026-11-21T12:51:31.000Z"
    assert (seen["input_tokens"], seen["input_tokens_total"], seen["cache_creation_1h_tokens"]) == (25, 17_025, 300)
    assert (seen["finish_reason"], seen["finish_reason_normalized"]) == ("tool_use", "tool_calls")
    assert (seen["parameters"], seen["usage_raw"]) == ({"max_tokens": 64}, {"input_tokens": 25, "output_tokens": 65})
    assert (seen["duration_ms"], seen["ttft_ms"], seen["output_rate"]) == (2891.2, 880.9, 32.754)
    assert seen["timings"]["overhead_ms"] == 1.4
    assert seen["attempts"][0]["server_address"] == "api.anthropic.com"
    assert seen["windows"][1] == {
        "account": "acme/1", "window": "7d", "utilization": 42.5, "resets_at": 1_795_611_091, "status": "allowed",
    }  # fmt: skip
    assert "process" not in seen


def test_amounts_are_numbers_with_all_their_digits() -> None:
    text = encoded(document(Listed(answered("px_1"), COST)))

    assert b'"cost_usd":0.051006' in text
    assert b'"amount_usd":0.049581' in text
    assert b'"rate_usd_per_million":3' in text


def test_unknown_is_null() -> None:
    seen = document(Listed(accepted("px_1"), None))

    assert {seen[name] for name in ("outcome", "input_tokens", "cost_usd", "ttft_ms", "status")} == {None}
    assert seen["cost_items"] == []


def test_text_that_should_be_json_stays_text() -> None:
    assert document(Listed(answered("px_1", customer_data="{oops"), None))["customer_data"] == "{oops"
