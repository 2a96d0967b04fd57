"""Error answers."""

from __future__ import annotations

import json

from proxy.demo.chance import seeded
from proxy.demo.failures import FAILURES, error_bytes, failure


def test_error_body_has_the_shape_of_the_api() -> None:
    assert json.loads(error_bytes(FAILURES["overloaded"], "req_1")) == {
        "type": "error",
        "error": {"details": None, "type": "overloaded_error", "message": "Overloaded"},
        "request_id": "req_1",
    }


def test_prompt_too_long_names_the_real_number_when_it_is_too_long() -> None:
    assert "prompt is too long: 300000 tokens > 200000" in failure("prompt_too_long", seeded(1), 300_000).message
    invented = failure("prompt_too_long", seeded(1), 10).message
    assert int(invented.split()[4]) > 200_000


def test_plain_rate_limit_asks_to_wait_a_few_seconds() -> None:
    waits = {int(dict(failure("rate_limited", seeded(n), 1).headers)["retry-after"]) for n in range(40)}
    assert waits == {1, 2, 3, 4}
