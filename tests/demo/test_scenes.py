"""Every scene, asked for by the real SDK over a socket."""

from __future__ import annotations

from collections import Counter

import anthropic
import httpx2
import pytest

from proxy.demo.chance import seeded
from proxy.demo.scenes import SCENES, draw
from tests.demo.conftest import Running

MODEL = "claude-sonnet-4-6"
ASKED: list[anthropic.types.MessageParam] = [{"role": "user", "content": "hello"}]
FAILING: dict[str, tuple[type[anthropic.APIStatusError], int]] = {
    "rate_limited": (anthropic.RateLimitError, 429),
    "minute_limit": (anthropic.RateLimitError, 429),
    "limit_reached": (anthropic.RateLimitError, 429),
    "overloaded": (anthropic.OverloadedError, 529),
    "api_error": (anthropic.InternalServerError, 500),
    "unauthorized": (anthropic.AuthenticationError, 401),
    "prompt_too_long": (anthropic.BadRequestError, 400),
    "bad_gateway": (anthropic.InternalServerError, 502),
}
ANSWERING = {
    "story": ["text"],
    "story_gzip": ["text"],
    "text": ["text"],
    "thinking": ["thinking", "text"],
    "tool": ["text", "tool_use"],
    "parallel_tools": ["text", "tool_use", "tool_use", "tool_use"],
    "web_search": ["text", "server_tool_use", "web_search_tool_result", "text", "text", "text"],
    "long": ["text"],
    "refusal": [],
    "gzip": ["text"],
    "drip": ["text"],
}
BREAKING = {"error_first", "error_midstream", "unfinished", "empty", "cut", "stalled", "mute", "echo"}


def streamed(upstream: Running, scene: str) -> anthropic.types.Message:
    with upstream.sdk(scene) as client, client.messages.stream(model=MODEL, max_tokens=900, messages=ASKED) as stream:
        return stream.get_final_message()


def test_every_scene_is_asked_for_in_this_file() -> None:
    assert set(SCENES) == set(FAILING) | set(ANSWERING) | BREAKING


@pytest.mark.parametrize("scene", ANSWERING)
def test_stream_and_json_carry_the_same_message(upstream: Running, scene: str) -> None:
    with upstream.sdk(scene) as client:
        whole = client.messages.create(model=MODEL, max_tokens=20_000, messages=ASKED)
        with client.messages.stream(model=MODEL, max_tokens=20_000, messages=ASKED) as stream:
            streamed = stream.get_final_message()
    assert [block.type for block in streamed.content] == ANSWERING[scene]
    assert [block.type for block in whole.content] == ANSWERING[scene]
    assert streamed.id.startswith("msg_01")
    assert streamed.stop_reason is not None
    assert streamed.usage.output_tokens > 0
    assert streamed.usage.service_tier == "standard"


def test_thinking_ends_with_a_signature_and_is_counted(upstream: Running) -> None:
    message = streamed(upstream, "thinking")
    thinking = message.content[0]
    assert thinking.type == "thinking"
    assert len(thinking.signature) > 100
    details = message.usage.output_tokens_details
    assert details is not None
    assert 0 < details.thinking_tokens < message.usage.output_tokens


def test_parallel_tools_have_ids_of_their_own_and_inputs_that_fit(upstream: Running) -> None:
    message = streamed(upstream, "parallel_tools")
    calls = [block for block in message.content if block.type == "tool_use"]
    assert message.stop_reason == "tool_use"
    assert len({call.id for call in calls}) == 3
    assert all(set(call.input) == {"location", "unit"} for call in calls)


def test_search_cites_its_pages_and_adds_their_tokens(upstream: Running) -> None:
    message = streamed(upstream, "web_search")
    cited = [block for block in message.content if block.type == "text" and block.citations]
    assert len(cited) == 2
    assert message.usage.server_tool_use is not None
    assert message.usage.server_tool_use.web_search_requests == 1
    assert message.usage.input_tokens > 300


def test_refusal_says_why(upstream: Running) -> None:
    with upstream.sdk("refusal") as client:
        message = client.messages.create(model=MODEL, max_tokens=900, messages=ASKED)
    assert message.stop_reason == "refusal"


@pytest.mark.parametrize("scene", FAILING)
@pytest.mark.parametrize("stream", [False, True])
def test_failure_raises_the_error_of_its_status(upstream: Running, scene: str, stream: bool) -> None:
    error, status = FAILING[scene]
    with upstream.sdk(scene) as client, pytest.raises(error) as raised:
        client.messages.create(model=MODEL, max_tokens=900, messages=ASKED, stream=stream)
    assert raised.value.status_code == status


@pytest.mark.parametrize("scene", ["error_first", "error_midstream"])
def test_error_event_raises_under_status_200(upstream: Running, scene: str) -> None:
    with upstream.sdk(scene) as client:
        stream = client.messages.create(model=MODEL, max_tokens=900, messages=ASKED, stream=True)
        with pytest.raises(anthropic.APIStatusError) as raised:
            list(stream)
    assert raised.value.status_code == 200
    assert upstream.last().complete


@pytest.mark.parametrize("stream", [False, True])
def test_cut_answer_breaks_the_connection(upstream: Running, stream: bool) -> None:
    with upstream.sdk("cut") as client, pytest.raises((httpx2.RemoteProtocolError, anthropic.APIConnectionError)):
        list(client.messages.create(model=MODEL, max_tokens=900, messages=ASKED, stream=stream))
    assert not upstream.last().complete
    assert not upstream.last().disconnected


def test_unfinished_stream_ends_cleanly_without_a_stop(upstream: Running) -> None:
    with upstream.sdk("unfinished") as client:
        events = list(client.messages.create(model=MODEL, max_tokens=900, messages=ASKED, stream=True))
    assert events[-1].type == "content_block_stop"
    assert upstream.last().complete


def test_empty_stream_has_no_event(upstream: Running) -> None:
    with upstream.sdk("empty") as client:
        assert list(client.messages.create(model=MODEL, max_tokens=900, messages=ASKED, stream=True)) == []


@pytest.mark.parametrize("scene", ["stalled", "mute"])
def test_silence_lasts_until_the_client_leaves(upstream: Running, scene: str) -> None:
    with upstream.sdk(scene) as client, pytest.raises((httpx2.ReadTimeout, anthropic.APITimeoutError)):
        list(client.messages.create(model=MODEL, max_tokens=900, messages=ASKED, stream=True, timeout=0.2))
    assert upstream.last().disconnected
    assert upstream.last().status == (None if scene == "mute" else 200)


def test_echo_returns_the_request_body(upstream: Running) -> None:
    body = bytes(range(256)) * 200
    answer = upstream.raw(body, scene="echo")
    assert answer.content == body
    assert upstream.last().sent_sha256 == upstream.last().body_sha256


def test_draws_fail_as_often_as_asked() -> None:
    drawn = Counter(draw(seeded("draw", n), 0.2, oauth=n % 2 == 0) for n in range(4_000))
    failed = sum(count for name, count in drawn.items() if not name.startswith("story"))
    assert 700 < failed < 900
    assert {"limit_reached", "minute_limit", "overloaded", "cut", "error_midstream"} <= set(drawn)


def test_draws_without_failures_never_fail() -> None:
    assert {draw(seeded(n), 0.0, oauth=False) for n in range(500)} == {"story", "story_gzip"}
