"""What the fake model answers: content blocks, why it stopped, what it used."""

from __future__ import annotations

from dataclasses import dataclass, field

from proxy.demo.shapes import Block
from proxy.demo.weight import PromptTokens


@dataclass(frozen=True)
class Answer:
    """A complete answer in the API's own blocks, before it is streamed or sent whole."""

    blocks: list[Block] = field(default_factory=list)
    stop_reason: str = "end_turn"
    stop_details: Block | None = None
    output_tokens: int = 1
    thinking_tokens: int = 0
    searches: int = 0
    searched_tokens: int = 0
    """Input tokens that search results added to the prompt while the answer was made."""


@dataclass(frozen=True)
class Message:
    """An answer with its envelope."""

    id: str
    model: str
    answer: Answer
    prompt: PromptTokens
    inference_geo: str
    speed: str = "standard"

    def started(self) -> Block:
        """The message as `message_start` carries it: no content, placeholder output tokens."""
        usage = self._input_usage(0) | {"output_tokens": min(8, self.answer.output_tokens)} | self._fixed_usage()
        return self._envelope([], None, None, usage)

    def whole(self) -> Block:
        """The message as one JSON answer."""
        usage = self.final_usage() | self._fixed_usage()
        return self._envelope(self.answer.blocks, self.answer.stop_reason, self.answer.stop_details, usage)

    def final_usage(self) -> Block:
        """The cumulative usage of `message_delta`, without what only `message_start` says."""
        usage = self._input_usage(self.answer.searched_tokens) | {"output_tokens": self.answer.output_tokens}
        if self.answer.thinking_tokens:
            usage["output_tokens_details"] = {"thinking_tokens": self.answer.thinking_tokens}
        if self.answer.searches:
            usage["server_tool_use"] = {"web_search_requests": self.answer.searches, "web_fetch_requests": 0}
        return usage

    def _input_usage(self, added: int) -> Block:
        return {
            "input_tokens": self.prompt.uncached + added,
            "cache_creation_input_tokens": self.prompt.cache_write_5m + self.prompt.cache_write_1h,
            "cache_read_input_tokens": self.prompt.cache_read,
        }

    def _fixed_usage(self) -> Block:
        return {
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.prompt.cache_write_5m,
                "ephemeral_1h_input_tokens": self.prompt.cache_write_1h,
            },
            "service_tier": "standard",
            "inference_geo": self.inference_geo,
            "speed": self.speed,
        }

    def _envelope(self, content: list[Block], reason: str | None, details: Block | None, usage: Block) -> Block:
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "stop_details": details,
            "container": None,
            "usage": usage,
        }
