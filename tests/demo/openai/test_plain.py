"""Embeddings and images of the fake upstream, read by the real SDK."""

from __future__ import annotations

from proxy.demo.openai.plain import DIMENSIONS, IMAGE_TOKENS, MOST_IMAGES, PARTIAL_IMAGES
from tests.demo.openai.conftest import Client


def test_embeddings_are_packed_unless_numbers_are_asked_for(sdk: Client) -> None:
    """The SDK asks for base64 by itself."""
    packed = sdk().embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    numbers = sdk().embeddings.create(model="text-embedding-3-small", input="one", encoding_format="float")
    assert [len(one.embedding) for one in (*packed.data, *numbers.data)] == [DIMENSIONS] * 3
    assert packed.usage.prompt_tokens == 2


def test_images_have_usage(sdk: Client) -> None:
    made = sdk().images.generate(model="gpt-image-2", prompt="A red square", n=2)
    assert made.usage is not None
    assert (len(made.data or []), made.usage.output_tokens) == (2, IMAGE_TOKENS)


def test_number_of_images_is_bounded(sdk: Client) -> None:
    assert len(sdk().images.generate(model="gpt-image-2", prompt="x", n=10**9).data or []) == MOST_IMAGES


def test_stream_of_images_ends_with_the_usage(sdk: Client) -> None:
    events = list(sdk().images.generate(model="gpt-image-2", prompt="A red square", stream=True, partial_images=2))
    assert [event.type for event in events[:-1]] == ["image_generation.partial_image"] * PARTIAL_IMAGES
    assert events[-1].type == "image_generation.completed"
    assert events[-1].usage.output_tokens == IMAGE_TOKENS
