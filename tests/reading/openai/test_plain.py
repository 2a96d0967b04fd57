"""Of embeddings and images the usage is read."""

from __future__ import annotations

import json

import pytest

from proxy.exchange import UsageSource
from proxy.reading.jsontext import Json
from proxy.reading.rebuild import rebuild
from tests.reading.openai.bodies import data, named, read, read_json, rebuilt

IMAGE_USAGE: dict[str, Json] = {
    "input_tokens": 50,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    "output_tokens": 1056,
    "total_tokens": 1106,
}
EMBEDDINGS: dict[str, Json] = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": "AACAPwAAAEA="}],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}
PICTURE: dict[str, Json] = {"b64_json": "iVBORw0KGgo=", "size": "1024x1024"}


def images() -> list[bytes]:
    return [
        named("image_generation.partial_image", 0, partial_image_index=0, **PICTURE),
        named("image_generation.partial_image", 1, partial_image_index=1, **PICTURE),
        named("image_generation.completed", 2, usage=IMAGE_USAGE, **PICTURE),
    ]


@pytest.mark.parametrize("embedding", ["AACAPwAAAEA=", [0.25, 0.5], None])
def test_embeddings_have_input_only(embedding: Json) -> None:
    body: dict[str, Json] = {**EMBEDDINGS, "data": [{"embedding": embedding}]}
    facts = read_json(body, "embeddings")
    assert (facts.model, facts.usage.input_tokens, facts.usage.output_tokens) == ("text-embedding-3-small", 8, None)
    assert (facts.usage_source, facts.complete, facts.parse_error) == (UsageSource.FINAL, True, None)
    assert rebuild(json.dumps(body).encode(), None, None, operation="embeddings", dialect="openai") is None


def test_embeddings_that_are_cut_are_incomplete() -> None:
    body = json.dumps(EMBEDDINGS).encode()[:-20]
    assert read(body, "embeddings", content_type="application/json").complete is False


def test_embeddings_as_a_stream_say_nothing() -> None:
    facts = read(data(EMBEDDINGS), "embeddings")
    assert (facts.complete, facts.usage_source) == (None, UsageSource.NONE)


def test_images_have_usage() -> None:
    body: Json = {"created": 1, "data": [PICTURE], "usage": IMAGE_USAGE, "size": "1024x1024"}
    facts = read_json(body, "images")
    assert (facts.usage.input_tokens, facts.usage.output_tokens) == (50, 1056)
    assert (facts.usage_source, facts.complete) == (UsageSource.FINAL, True)
    assert json.loads(facts.usage.usage_raw or "") == IMAGE_USAGE
    assert rebuild(json.dumps(body).encode(), None, None, operation="images", dialect="openai") == body


def test_images_of_older_models_have_no_usage() -> None:
    facts = read_json({"created": 1, "data": [{"url": "https://example.test/a.png"}]}, "images")
    assert (facts.usage_source, facts.usage.input_tokens, facts.complete) == (UsageSource.NONE, None, True)


def test_stream_of_images_ends_with_the_usage() -> None:
    facts = read(images(), "images")
    assert (facts.usage.output_tokens, facts.usage_source, facts.complete) == (1056, UsageSource.FINAL, True)
    assert facts.first_token_ms == 1.0
    assert rebuilt(images(), "images") == {"data": [{"b64_json": PICTURE["b64_json"]}], "usage": IMAGE_USAGE}


@pytest.mark.parametrize("count", [1, 2])
def test_stream_of_images_that_breaks_is_incomplete(count: int) -> None:
    facts = read(images()[:count], "images")
    assert (facts.complete, facts.usage_source) == (False, UsageSource.NONE)
    assert rebuilt(images()[:count], "images") is None


@pytest.mark.parametrize(
    "error", [named("error", error={"code": "server_error", "message": "M"}), data({"error": {"code": "server_error"}})]
)
def test_error_in_a_stream_of_images_is_read(error: bytes) -> None:
    facts = read([images()[0], error], "images")
    assert (facts.error_type, facts.complete) == ("server_error", False)


@pytest.mark.parametrize(
    "piece", [b"data: {\n\n", b"event: image_generation.completed\ndata: []\n\n", data({"type": 5})]
)
@pytest.mark.parametrize("operation", ["images", "embeddings"])
def test_nonsense_never_raises(piece: bytes, operation: str) -> None:
    """D4"""
    assert read([piece], operation).usage_source is UsageSource.NONE
