"""Messages are found by their places."""

from __future__ import annotations

import json

import pytest

from proxy.reading.conversation import Conversation, continued, laid_out

IMAGE = {"type": "image", "source": {}}
MESSAGES = [
    {"role": "user", "content": "what is said first, long enough to be told from anything else by its beginning"},
    {"role": "assistant", "content": [{"type": "text", "text": "}], ["}]},
    {"role": "user", "content": [IMAGE, {"type": "tool_result", "content": [IMAGE, IMAGE]}]},
]


@pytest.mark.parametrize("name", ["messages", "input"])
@pytest.mark.parametrize("indent", [None, 2])
def test_every_message_has_its_place_and_its_images(name: str, indent: int | None) -> None:
    body = json.dumps({"model": "m", name: MESSAGES, "tools": []}, indent=indent).encode()
    found = laid_out(body)
    assert [body[:end].endswith(b"}") for end in found.ends] == [True] * 3
    assert list(found.images) == [0, 0, 3]
    assert body[found.close : found.close + 1] == b"]"


@pytest.mark.parametrize(
    "body", [{}, {"messages": []}, {"messages": [1] * 40}, {"messages": MESSAGES, "metadata": {"also": MESSAGES}}]
)
def test_messages_whose_place_is_not_beyond_doubt_have_none(body: dict[str, object]) -> None:
    assert not laid_out(json.dumps(body).encode()).ends


def test_only_what_follows_is_read() -> None:
    body = json.dumps({"messages": MESSAGES}).encode()
    known = laid_out(body)
    longer = body[: known.ends[1]] + b', {"content": [{"type": "image"}]}, {} ]}'
    went_on = continued(known, longer, known.ends[1] + 5, len(longer) - 2)
    assert went_on is not None
    assert list(went_on.images) == [0, 0, 1, 1]
    assert went_on.ends[:2] == known.ends[:2]


@pytest.mark.parametrize("rest", [b', {"content": 1}]}', b",]}", b"]}]}", b', {"content": "\xff"}]}', b', {"a": "]}'])
def test_what_is_not_usual_is_left_to_others(rest: bytes) -> None:
    body = json.dumps({"messages": MESSAGES}).encode()
    known = laid_out(body)
    odd = body[: known.ends[2]] + rest
    assert continued(known, odd, known.ends[2], len(odd) - 2) is None


def test_without_a_known_message_nothing_goes_on() -> None:
    assert continued(Conversation(), b'{"messages": []}', 5, 14) is None
