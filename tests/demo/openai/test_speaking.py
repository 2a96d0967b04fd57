"""Errors and limits of the fake upstream in OpenAI's dialect."""

from __future__ import annotations

import re
import time

import httpx
import openai
import pytest

from tests.demo.conftest import Running
from tests.demo.openai.conftest import Client


@pytest.mark.parametrize(
    ("scene", "error", "status", "code"),
    [
        ("rate_limited", openai.RateLimitError, 429, "rate_limit_exceeded"),
        ("minute_limit", openai.RateLimitError, 429, "rate_limit_exceeded"),
        ("limit_reached", openai.RateLimitError, 429, "insufficient_quota"),
        ("overloaded", openai.InternalServerError, 503, None),
        ("api_error", openai.InternalServerError, 500, None),
        ("unauthorized", openai.AuthenticationError, 401, "invalid_api_key"),
        ("prompt_too_long", openai.BadRequestError, 400, "context_length_exceeded"),
        ("bad_gateway", openai.InternalServerError, 502, None),
    ],
)
def test_errors_are_those_of_the_sdk(
    sdk: Client, scene: str, error: type[openai.APIStatusError], status: int, code: str | None
) -> None:
    with pytest.raises(error) as raised:
        sdk(scene).chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "hello"}])
    assert (raised.value.status_code, raised.value.code) == (status, code)


@pytest.mark.parametrize("scene", ["error_first", "error_midstream"])
def test_errors_inside_streams_are_raised(sdk: Client, scene: str) -> None:
    with pytest.raises(openai.APIError):
        list(
            sdk(scene).chat.completions.create(
                model="gpt-5", messages=[{"role": "user", "content": "hello"}], stream=True
            )
        )
    events = list(sdk(scene).responses.create(model="gpt-5", input="hello", stream=True))
    assert events[-1].type == "error"


def test_answers_carry_limits_with_the_time_that_is_left(upstream: Running) -> None:
    answer = upstream.post({"model": "gpt-5", "input": "hello"}, path="/v1/responses")
    assert answer.status_code == 200
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["openai-organization"].startswith("org-")
    for kind in ("requests", "tokens"):
        assert int(answer.headers[f"x-ratelimit-remaining-{kind}"]) <= int(answer.headers[f"x-ratelimit-limit-{kind}"])
        assert re.fullmatch(r"(\d+m)?[\d.]+s", answer.headers[f"x-ratelimit-reset-{kind}"])
    refused = upstream.post({}, path="/v1/responses", x_demo_scene="minute_limit")
    assert (refused.status_code, refused.headers["x-ratelimit-remaining-requests"]) == (429, "0")


def test_a_bucket_that_is_used_up_says_minutes(upstream: Running) -> None:
    refused = upstream.post({}, path="/v1/chat/completions", x_api_key=f"k{time.time()}", x_demo_scene="minute_limit")
    assert refused.headers["x-ratelimit-reset-requests"] == "1m0.000s"


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}, "model parameter"),
        ("/v1/chat/completions", {"model": "gpt-5"}, "'messages'"),
        ("/v1/responses", {"model": "gpt-5"}, "'input'"),
        ("/v1/embeddings", {"model": "m"}, "'input'"),
        ("/v1/images/generations", {}, "'prompt'"),
        ("/v1/responses", [], "dictionary"),
    ],
)
def test_what_is_missing_is_refused(upstream: Running, path: str, body: object, message: str) -> None:
    answer = upstream.post(body, path=path)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert message in answer.json()["error"]["message"]


def test_callers_without_a_credential_and_other_methods_are_refused(upstream: Running) -> None:
    url = f"{upstream.url}/v1/chat/completions"
    assert httpx.post(url, json={}, trust_env=False).status_code == 401
    assert httpx.get(url, headers={"x-api-key": "k"}, trust_env=False).status_code == 405
