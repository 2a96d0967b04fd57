"""What a client asked for: the parameters that shape an answer, checked as the API checks them."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field

from proxy.demo.shapes import Block, Json

MAX_DECODED_BYTES = 64 * 1024 * 1024
DEFAULT_MODEL = "claude-sonnet-4-6"


class BadRequestError(Exception):
    """The API would refuse this body with 400 and this message."""


@dataclass(frozen=True)
class Ask:
    """A messages request as the fake model sees it."""

    body: Block = field(default_factory=dict)
    """The whole body; empty when it could not be read."""
    model: str = DEFAULT_MODEL
    max_tokens: int = 4_096
    stream: bool = False

    @property
    def thinks(self) -> bool:
        """Whether thinking was asked for."""
        thinking = self.body.get("thinking")
        return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive", "between_tools")

    @property
    def tools(self) -> list[Block]:
        """The client's own tools, without those that the provider runs."""
        return [tool for tool in self._tools() if "input_schema" in tool]

    @property
    def searches(self) -> bool:
        """Whether the provider's web search was offered."""
        return any(str(tool.get("type", "")).startswith("web_search_") for tool in self._tools())

    @property
    def schema(self) -> Block | None:
        """The JSON schema that the answer must follow, `None` for free text."""
        config = self.body.get("output_config")
        wanted = config.get("format") if isinstance(config, dict) else None
        schema = wanted.get("schema") if isinstance(wanted, dict) else None
        return schema if isinstance(schema, dict) else None

    @property
    def messages(self) -> list[Block]:
        """The conversation so far."""
        return [message for message in _as_list(self.body.get("messages")) if isinstance(message, dict)]

    def _tools(self) -> list[Block]:
        return [tool for tool in _as_list(self.body.get("tools")) if isinstance(tool, dict)]


def read_ask(raw: bytes, content_encoding: str, *, counting: bool = False) -> Ask:
    """Read a body as it came over the wire; `counting` is for count_tokens, which needs no `max_tokens`.

    Raises `BadRequestError` with the API's wording.
    """
    body = read_body(raw, content_encoding)
    model, max_tokens = body.get("model"), body.get("max_tokens")
    if not isinstance(model, str) or not model:
        raise BadRequestError("model: Field required")
    if not counting and (not isinstance(max_tokens, int) or max_tokens < 0):
        raise BadRequestError("max_tokens: Field required")
    if not _as_list(body.get("messages")):
        raise BadRequestError("messages: at least one message is required")
    return Ask(body, model, max_tokens if isinstance(max_tokens, int) else 0, body.get("stream") is True)


def read_body(raw: bytes, content_encoding: str) -> Block:
    """The JSON object of a body. Raises `BadRequestError`."""
    try:
        body = json.loads(_decoded(raw, content_encoding))
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"The request body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequestError("Input should be a valid dictionary")
    return body


def glance(raw: bytes, content_encoding: str) -> Ask:
    """The same without complaints, for a scene that is played whatever the body looks like."""
    try:
        return read_ask(raw, content_encoding, counting=True)
    except BadRequestError:
        return Ask()


def _decoded(raw: bytes, content_encoding: str) -> bytes:
    if not content_encoding:
        return raw
    if content_encoding != "gzip":
        raise BadRequestError(f"request_body_encoding_unsupported: {content_encoding}")
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(raw, MAX_DECODED_BYTES)
    except zlib.error as error:
        raise BadRequestError("request_body_encoding_invalid: gzip") from error
    if inflater.unconsumed_tail:
        raise BadRequestError("request_body_too_large_after_decoding")
    if not inflater.eof:
        raise BadRequestError("request_body_encoding_invalid: gzip")
    return plain


def _as_list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
