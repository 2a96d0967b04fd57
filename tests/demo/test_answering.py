"""Routes, refusals, determinism and rate-limit headers, over a socket."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace

import anthropic
import httpx
import pytest

from proxy.demo.answering import Answering, Request
from proxy.demo.reply import Reply
from tests.demo.conftest import KEY, TOKEN, Running

BODY = {"model": "claude-opus-4-6", "max_tokens": 900, "messages": [{"role": "user", "content": "hello"}]}
UNIFIED = "anthropic-ratelimit-unified-"


@pytest.fixture
def client(upstream: Running) -> Iterator[anthropic.Anthropic]:
    with upstream.sdk() as sdk:
        yield sdk


def answering(seed: int, failures: float = 0.0) -> Answering:
    return Answering(seed=seed, failures=failures, vectors={}, clock=lambda: 1_795_000_000.0)


def request(body: object, **headers: str) -> Request:
    lines = {"x-api-key": KEY} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", "/v1/messages", "/v1/messages", lines, json.dumps(body).encode())


def flat(played: tuple[str | None, Reply]) -> tuple[object, ...]:
    name, reply = played
    return name, reply.status, reply.headers, [piece.data for piece in reply.pieces], reply.close


def test_count_tokens_equals_the_input_of_the_same_request(client: anthropic.Anthropic) -> None:
    asked: list[anthropic.types.MessageParam] = [{"role": "user", "content": "a question " * 200}]
    counted = client.messages.count_tokens(model="claude-sonnet-4-6", messages=asked)
    used = client.messages.create(model="claude-sonnet-4-6", max_tokens=90, messages=asked).usage
    assert counted.input_tokens == used.input_tokens > 500


def test_models_are_listed_and_found(client: anthropic.Anthropic) -> None:
    listed = [model.id for model in client.models.list()]
    assert "claude-opus-4-6" in listed
    assert client.models.retrieve(listed[0]).id == listed[0]
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("claude-none")


@pytest.mark.parametrize("path", ["/", "/api/hello"])
def test_head_answers_without_credential(upstream: Running, path: str) -> None:
    answer = httpx.head(upstream.url + path, trust_env=False)
    assert (answer.status_code, answer.content) == (200, b"")
    assert upstream.last().sent_bytes == 0


def test_unknown_path_is_404_in_the_shape_of_the_api(upstream: Running) -> None:
    answer = upstream.post({}, path="/api/event_logging/v2/batch")
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "not_found_error"
    assert answer.json()["request_id"] == answer.headers["request-id"]


def test_missing_credential_is_401(upstream: Running) -> None:
    answer = httpx.post(upstream.url + "/v1/messages", json=BODY, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")


def test_get_on_messages_is_405(upstream: Running) -> None:
    answer = httpx.get(upstream.url + "/v1/messages", headers={"x-api-key": KEY}, trust_env=False)
    assert answer.status_code == 405


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"model": "m", "messages": [{"role": "user", "content": "x"}]}, "max_tokens: Field required"),
        ({"max_tokens": 5, "messages": []}, "model: Field required"),
        ({"model": "m", "max_tokens": 5, "messages": []}, "messages: at least one message is required"),
        ([], "Input should be a valid dictionary"),
    ],
)
def test_bad_body_is_400(upstream: Running, body: object, message: str) -> None:
    answer = upstream.post(body)
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, message)


def test_unknown_scene_is_400_and_names_the_known_ones(upstream: Running) -> None:
    answer = upstream.post(BODY, x_demo_scene="nonsense")
    assert answer.status_code == 400
    assert "parallel_tools" in answer.json()["error"]["message"]


def test_unknown_vector_is_400_and_names_the_known_ones(upstream: Running) -> None:
    answer = upstream.post(BODY, x_demo_vector="nonsense")
    assert answer.status_code == 400
    assert "anthropic_stream_text" in answer.json()["error"]["message"]


def test_compressed_request_body_is_understood(upstream: Running) -> None:
    body = gzip.compress(json.dumps(BODY).encode())
    headers = {"x-api-key": KEY, "content-encoding": "gzip"}
    answer = httpx.post(upstream.url + "/v1/messages", content=body, headers=headers, trust_env=False)
    assert answer.json()["model"] == "claude-opus-4-6"


def test_too_long_prompt_is_refused_with_its_numbers(upstream: Running) -> None:
    answer = upstream.post(BODY | {"messages": [{"role": "user", "content": "word " * 170_000}]})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("prompt is too long: 212503 tokens > 200000 maximum")


def test_subscription_windows_rise_with_use(upstream: Running) -> None:
    token = {"authorization": f"Bearer {TOKEN}-rising", "x_api_key": ""}
    answers = [upstream.post(BODY | {"metadata": {"user_id": str(n)}}, **token).headers for n in range(4)]
    for window in ("5h", "7d", "7d_oi"):
        readings = [float(answer[f"{UNIFIED}{window}-utilization"]) for answer in answers]
        assert readings == sorted(readings)
        assert 0.1 < readings[0] <= readings[-1] < 1
    assert float(answers[-1][f"{UNIFIED}5h-utilization"]) > float(answers[0][f"{UNIFIED}5h-utilization"])
    assert not any(name.startswith("anthropic-ratelimit-requests") for name in answers[0])


def test_api_key_gets_limits_per_minute_and_no_windows(upstream: Running) -> None:
    headers = upstream.post(BODY).headers
    assert headers["anthropic-ratelimit-requests-limit"] == "4000"
    assert headers["anthropic-ratelimit-output-tokens-reset"].endswith("Z")
    assert not any(name.startswith(UNIFIED) for name in headers)


def test_reached_limit_is_said_by_unified_headers(upstream: Running) -> None:
    headers = upstream.post(BODY, authorization=f"Bearer {TOKEN}", x_api_key="", x_demo_scene="limit_reached").headers
    assert headers[f"{UNIFIED}status"] == headers[f"{UNIFIED}5h-status"] == "rejected"
    assert headers[f"{UNIFIED}5h-utilization"] == "1.0000"
    assert headers["retry-after"] == "900"


def test_plain_rate_limit_has_no_window_headers(upstream: Running) -> None:
    headers = upstream.post(BODY, x_demo_scene="rate_limited").headers
    assert 1 <= int(headers["retry-after"]) <= 4
    assert not any(name.startswith("anthropic-ratelimit") for name in headers)


def test_edge_headers_are_those_of_the_api(upstream: Running) -> None:
    headers = upstream.post(BODY).headers
    assert headers["request-id"].startswith("req_011C")
    assert headers["server"] == "cloudflare"
    assert headers["cf-ray"].endswith("-FRA")
    assert len(headers.get_list("set-cookie")) == 2
    assert len(headers.get_list("date")) == 1


def test_same_seed_and_requests_give_the_same_bytes() -> None:
    asked = [request(BODY | {"stream": n % 2 == 0, "max_tokens": 500 + n // 2}) for n in range(60)]
    first, second, other = answering(1, 0.3), answering(1, 0.3), answering(2, 0.3)
    played = [flat(first.reply(one)) for one in asked]
    assert [flat(second.reply(one)) for one in asked] == played
    assert [flat(other.reply(one)) for one in asked] != played
    assert len({name for name, *_ in played}) > 3


def test_repeated_request_gets_new_ids_and_the_same_answer() -> None:
    both = [answering(1)] * 2
    first, second = (json.loads(b"".join(piece.data for piece in a.reply(request(BODY))[1].pieces)) for a in both)
    assert first["id"] != second["id"]
    assert first["content"] == second["content"]
    assert first["usage"] == second["usage"]


def test_retry_of_a_failed_request_draws_again() -> None:
    played = answering(3, failures=0.5)
    outcomes = {played.reply(request(BODY, x_stainless_retry_count=str(n)))[0] for n in range(40)}
    assert "story" in outcomes
    assert len(outcomes) > 2


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_a_client_that_does_not_count_its_retries_is_answered_in_the_end_too(path: str) -> None:
    failing = answering(3, failures=0.5)
    for number in range(20):
        asked = replace(request({**BODY, "user": str(number)}), path=path, target=path)
        assert any(failing.reply(asked)[0] == "story" for _ in range(40))


def test_geography_asked_for_is_the_geography_reported() -> None:
    body = BODY | {"inference_geo": "us", "speed": "fast"}
    message = json.loads(b"".join(piece.data for piece in answering(1).reply(request(body))[1].pieces))
    assert (message["usage"]["inference_geo"], message["usage"]["speed"]) == ("us", "fast")
