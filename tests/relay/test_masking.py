"""No text of a record keeps a secret, and where masking fails no text is kept at all."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields, replace

from proxy.exchange import Attempt, Exchange, LimitReading, Outcome, Usage, WindowReading
from proxy.reading.redaction.redactor import Redactor
from proxy.reading.redaction.scan import Scanner
from proxy.relay.masking import OWN, masked, without_texts
from tests.kit.laws import API_KEY

SAID = f"said {API_KEY}"
ATTEMPT = Attempt(1, "anthropic", "api.test", 443, "1" * 16, started_ms=1.0, error_message=SAID, ratelimit=SAID)
EXCHANGE = replace(
    Exchange("px_1", "p1", 5, "POST", f"/v1/{API_KEY}", "default", outcome=Outcome.OK, status=200),
    **{each.name: SAID for each in fields(Exchange) if each.type == "str | None" and each.name not in OWN},  # type: ignore[arg-type]
    usage=Usage(input_tokens=3, usage_raw=SAID),
    attempts=(ATTEMPT,),
    windows=(WindowReading(SAID, "5h", 25.0, 1, "allowed"),),
    limits=(LimitReading(SAID, "requests", 1, 2, 3),),
)


def test_every_text_of_the_record_and_its_parts_is_masked() -> None:
    """L5"""
    found = Counter[str]()
    made = masked(EXCHANGE, Redactor([API_KEY], b"salt"), found)
    assert API_KEY not in repr(made)
    assert (made.status, made.usage.input_tokens, made.attempts[0].number) == (200, 3, 1)
    assert found["caller"] > 10


def test_a_record_without_secrets_is_the_same_object() -> None:
    assert masked(EXCHANGE, Redactor(["another-secret"], b"salt")) is EXCHANGE


def test_a_rule_that_matches_ids_and_hashes_leaves_those_that_are_ours() -> None:
    """Else the record would be filed under another name, and its trace be refused by every collector."""
    hexes = replace(EXCHANGE, trace_id="a" * 32, span_id="b" * 16, request_sha256="c" * 64, message_id="d" * 16)
    redactor = Redactor((), b"salt", Scanner({"hex": "[0-9a-f]{16}", "ids": "px_[0-9]"}))
    made = masked(hexes, redactor)
    assert all(getattr(made, name) == getattr(hexes, name) for name in OWN if hasattr(hexes, name))
    assert made.attempts[0].span_id == ATTEMPT.span_id
    assert "d" * 16 not in repr(made)


def test_a_method_that_somebody_made_up_is_masked() -> None:
    made = masked(replace(EXCHANGE, method=API_KEY[:32]), Redactor((), b"salt", Scanner()))
    assert API_KEY[:32] not in repr(made)


def test_a_record_without_texts_keeps_what_is_ours_and_its_figures() -> None:
    """D7"""
    made = without_texts(EXCHANGE)
    assert API_KEY not in repr(made)
    assert (made.request_id, made.endpoint, made.outcome, made.status) == ("px_1", "default", Outcome.OK, 200)
    assert (made.usage.input_tokens, made.attempts[0].server_address) == (3, "api.test")


def test_a_text_that_begins_with_a_short_prefix_is_masked() -> None:
    """H2: texts are searched together, where nothing stands before the first letter of any"""
    key = "sk-proj-AbCdEf0123456789abcdefGHIJ"
    exchange = Exchange(
        request_id="px_1", process="p1", started_ns=1, method="POST", path="/", endpoint="main", model=key
    )
    assert key not in str(masked(exchange, Redactor([], b"salt", Scanner())))


def test_a_rule_that_matches_numbers_leaves_json_what_it_is() -> None:
    """N-19: a number that holds a secret is a string then"""
    sent = {"max_tokens": 12345, "thinking": {"budget_tokens": 99}, "user": "no 4711471147"}
    texts = {"parameters": json.dumps(sent), "customer_data": '{"card":4711471147114711}', "model": "claude-4711"}
    redactor = Redactor((), b"salt", Scanner({"digits": "[0-9]{4,16}"}))
    made = masked(replace(EXCHANGE, **texts), redactor)  # type: ignore[arg-type]
    mask = redactor.mask
    kept = json.loads(made.parameters or "")
    assert kept == {"max_tokens": mask("12345"), "thinking": {"budget_tokens": 99}, "user": f"no {mask('4711471147')}"}
    assert json.loads(made.customer_data or "") == {"card": mask("4711471147114711")}
    assert made.model == f"claude-{mask('4711')}"


def test_json_that_no_mask_leaves_json_is_not_kept() -> None:
    redactor = Redactor((), b"salt", Scanner({"lines": "n[0-9]{4}"}))
    texts = {"customer_data": '{"a":"b\\n1234"}', "client": '{"a": n1234}'}
    made = masked(replace(EXCHANGE, **texts), redactor)  # type: ignore[arg-type]
    assert made.customer_data is None
    assert made.client == f'{{"a": {redactor.mask("n1234")}}}'
