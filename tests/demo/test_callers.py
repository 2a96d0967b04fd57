"""Header lines and identities of the callers."""

from __future__ import annotations

import json

from proxy.demo.callers import CALLERS


def test_subscriptions_send_the_beta_that_goes_with_them() -> None:
    for caller in CALLERS:
        betas = dict(caller.lines()).get("anthropic-beta", "")
        assert ("oauth-2025-04-20" in betas) is caller.oauth


def test_each_caller_sends_exactly_one_credential() -> None:
    for caller in CALLERS:
        values = [value for _, value in caller.lines() if "sk-ant-" in value]
        assert len(values) == 1
        assert caller.credential in values[0]


def test_user_id_is_a_json_string_that_stays_the_same_but_for_the_session() -> None:
    first, second = (json.loads(CALLERS[0].user_id(session)) for session in ("one", "two"))
    assert first | {"session_id": "two"} == second
    assert len(first["device_id"]) == 64
    assert first["account_uuid"]
    assert not json.loads(CALLERS[2].user_id("one"))["account_uuid"]


def test_there_are_subscriptions_keys_agents_and_a_script() -> None:
    assert {(caller.oauth, caller.agent) for caller in CALLERS} == {(True, True), (False, True), (False, False)}
