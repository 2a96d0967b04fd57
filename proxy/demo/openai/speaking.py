"""OpenAI's dialect around an answer: which shape it gets, header lines, and errors."""

from __future__ import annotations

import json
from random import Random

from proxy.demo.answer import Message
from proxy.demo.failures import Failure
from proxy.demo.openai import chat, plain, responses
from proxy.demo.openai.ask import CHAT, EMBEDDINGS, IMAGES, RESPONSES, OpenAiAsk
from proxy.demo.reply import Reply, Stream, framed_reply, json_reply, message_seconds
from proxy.demo.scenes import Ending, Scene
from proxy.demo.shapes import Block, Pairs

ID_PREFIX = {CHAT: "chatcmpl-", RESPONSES: "resp_", EMBEDDINGS: "", IMAGES: ""}
_OVERLOADED: Block = {"message": "The server is overloaded.", "type": "server_error", "param": None, "code": None}
_KINDS: dict[str, tuple[str, str | None]] = {
    "limit_reached": ("insufficient_quota", "insufficient_quota"),
    "rate_limit_error": ("requests", "rate_limit_exceeded"),
    "overloaded_error": ("server_error", None),
    "api_error": ("server_error", None),
    "authentication_error": ("invalid_request_error", "invalid_api_key"),
    "prompt_too_long": ("invalid_request_error", "context_length_exceeded"),
}
"""Scene or Anthropic's error type → OpenAI's type and code."""
_STATUSES = {529: 503}


def reply(ask: OpenAiAsk, message: Message, scene: Scene, lines: Pairs, random: Random, *, accepts_gzip: bool) -> Reply:
    """The answer in the shape of its path, streamed if that was asked for."""
    stream = _stream(ask, message, random) if ask.stream else None
    if stream is not None:
        return framed_reply(stream, scene, lines, random, message, accepts_gzip=accepts_gzip)
    answer = _whole(ask, message, scene, random)
    return json_reply(answer, scene, lines, message_seconds(message, random), accepts_gzip=accepts_gzip)


def answers_failing(ask: OpenAiAsk, scene: Scene) -> bool:
    """Whether a failure can stand inside the answer: a response says so in its status."""
    return ask.stream or (ask.path == RESPONSES and scene.ending is Ending.ERROR_MIDSTREAM)


def error_answer(failed: Failure, scene: str) -> tuple[int, bytes]:
    """Status and body of an error answer; `scene` is its name or ""."""
    kind, code = _KINDS.get(scene) or _KINDS.get(failed.error_type) or ("invalid_request_error", None)
    error = {"message": failed.message, "type": kind, "param": None, "code": code}
    return _STATUSES.get(failed.status, failed.status), json.dumps({"error": error}, separators=(",", ":")).encode()


def api_lines(random: Random, asked_id: str, account: str) -> Pairs:
    """What the API itself adds to every answer."""
    return [
        ("x-request-id", asked_id),
        ("openai-organization", f"org-{account}"),
        ("openai-processing-ms", str(random.randint(80, 900))),
        ("openai-version", "2020-10-01"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
    ]


def _whole(ask: OpenAiAsk, message: Message, scene: Scene, random: Random) -> Block:
    if ask.path == EMBEDDINGS:
        return plain.embeddings(ask, random)
    if ask.path == IMAGES:
        return plain.images(ask)
    if ask.path == RESPONSES:
        return responses.response(message, ask.sent, failed=scene.ending is Ending.ERROR_MIDSTREAM)
    return chat.completion(message)


def _stream(ask: OpenAiAsk, message: Message, random: Random) -> Stream | None:
    if ask.path == CHAT:
        frames = chat.chunks(message, random, with_usage=ask.wants_usage)
        return Stream(frames, chat.framed({"error": _OVERLOADED}).data, closing=3 if ask.wants_usage else 2)
    event = {name: value for name, value in _OVERLOADED.items() if name != "type"} | {"code": "server_error"}
    if ask.path == RESPONSES:
        return Stream(responses.events(message, ask.sent, random), responses.framed("error", 99, event).data, closing=1)
    if ask.path == IMAGES:
        error = responses.framed("error", 99, {"error": _OVERLOADED}).data
        return Stream(plain.image_events(ask), error, closing=1)
    return None
