"""Embeddings and images, made up."""

from __future__ import annotations

import base64
import struct
from random import Random

from proxy.demo.openai.ask import OpenAiAsk
from proxy.demo.openai.responses import framed
from proxy.demo.reply import Frame
from proxy.demo.shapes import Block, Json
from proxy.demo.weight import text_tokens

DIMENSIONS = 64
IMAGE_TOKENS = 1_056
PARTIAL_IMAGES = 2
MOST_IMAGES = 10
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def embeddings(ask: OpenAiAsk, random: Random) -> Block:
    """A vector for each text, as numbers or as base64 of them."""
    given = ask.sent.get("input")
    texts: list[Json] = given if isinstance(given, list) else [given]
    packed = ask.sent.get("encoding_format") == "base64"
    tokens = sum(text_tokens(str(text)) for text in texts)
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _vector(random, packed=packed)}
            for index in range(len(texts))
        ],
        "model": ask.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def images(ask: OpenAiAsk) -> Block:
    """The whole answer."""
    count = ask.sent.get("n")
    pictures = [{"b64_json": _PIXEL}] * (min(count, MOST_IMAGES) if isinstance(count, int) else 1)
    return {"created": 1_795_000_000, "data": pictures, "usage": _usage(ask)}


def image_events(ask: OpenAiAsk) -> list[Frame]:
    """Partial images, then the last with the usage."""
    shown = {"b64_json": _PIXEL, "created_at": 1_795_000_000, "size": "1024x1024", "quality": "low"}
    shown |= {"background": "opaque", "output_format": "png"}
    partial = [
        framed("image_generation.partial_image", index, {**shown, "partial_image_index": index}, IMAGE_TOKENS / 10)
        for index in range(PARTIAL_IMAGES)
    ]
    return [*partial, framed("image_generation.completed", PARTIAL_IMAGES, {**shown, "usage": _usage(ask)})]


def _usage(ask: OpenAiAsk) -> Block:
    tokens = text_tokens(str(ask.sent.get("prompt")))
    details = {"text_tokens": tokens, "image_tokens": 0}
    total = tokens + IMAGE_TOKENS
    return {
        "input_tokens": tokens,
        "input_tokens_details": details,
        "output_tokens": IMAGE_TOKENS,
        "total_tokens": total,
    }


def _vector(random: Random, *, packed: bool) -> Json:
    numbers = [random.uniform(-1, 1) for _ in range(DIMENSIONS)]
    return base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *numbers)).decode() if packed else numbers
