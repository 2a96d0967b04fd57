"""The table of scenes that the fake upstream can play, and which of them a request gets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from proxy.demo.messages import Shape


class Ending(StrEnum):
    """How the body of an answer ends."""

    COMPLETE = "complete"
    UNFINISHED = "unfinished"
    """A clean end without `message_stop`."""
    EMPTY = "empty"
    """A 200 without any event."""
    ERROR_FIRST = "error_first"
    """An error event instead of `message_start`."""
    ERROR_MIDSTREAM = "error_midstream"
    """An error event after half of the answer."""
    CUT = "cut"
    """The connection closes within an event, without the last chunk."""
    STALLED = "stalled"
    """Silence after half of the answer, until the client leaves."""
    MUTE = "mute"
    """Not even headers, until the client leaves."""


@dataclass(frozen=True)
class Scene:
    """One way to answer a request."""

    description: str
    shape: Shape = Shape.STORY
    ending: Ending = Ending.COMPLETE
    failure: str | None = None
    """The name of an error answer in `failures`; nothing else of the scene matters then."""
    gzip: bool = False
    """Compress when the client accepts gzip."""
    dripping: bool = False
    """Send the body byte by byte."""
    echo: bool = False
    """Answer with the bytes of the request body."""

    @property
    def anywhere(self) -> bool:
        """Whether it can be played on every path, not only on `/v1/messages`."""
        return self.failure is not None or self.echo or self.ending is Ending.MUTE


SCENES: dict[str, Scene] = {
    "story": Scene("continues the story the conversation belongs to: thinking, tool calls or the final answer"),
    "story_gzip": Scene("the same, compressed when the client accepts gzip", gzip=True),
    "text": Scene("a short text", Shape.TEXT),
    "thinking": Scene("thinking with a signature, then a short text", Shape.THINKING),
    "tool": Scene("a text and one call of a tool that the request offers", Shape.TOOL),
    "parallel_tools": Scene("a text and three tool calls at once", Shape.PARALLEL_TOOLS),
    "web_search": Scene("a web search run by the provider, its results, a text with citations", Shape.WEB_SEARCH),
    "long": Scene("about 6,000 tokens of text", Shape.LONG),
    "refusal": Scene("no content, stop reason refusal", Shape.REFUSAL),
    "gzip": Scene("a long text, compressed when the client accepts gzip", Shape.LONG, gzip=True),
    "drip": Scene("a short text, byte by byte", Shape.TEXT, dripping=True),
    "echo": Scene("the request body, unchanged, as application/octet-stream", echo=True),
    "rate_limited": Scene("429 with retry-after and no window headers", failure="rate_limited"),
    "minute_limit": Scene("429 with per-minute headers, no requests remaining", failure="minute_limit"),
    "limit_reached": Scene("429 with unified headers, 5h window rejected", failure="limit_reached"),
    "overloaded": Scene("529", failure="overloaded"),
    "api_error": Scene("500", failure="api_error"),
    "unauthorized": Scene("401", failure="unauthorized"),
    "prompt_too_long": Scene("400, prompt is too long", failure="prompt_too_long"),
    "bad_gateway": Scene("502 with an HTML page", failure="bad_gateway"),
    "error_first": Scene("200, the first event is an error", ending=Ending.ERROR_FIRST),
    "error_midstream": Scene("200, an error event after half of the answer", ending=Ending.ERROR_MIDSTREAM),
    "unfinished": Scene("200, clean end without message_stop", ending=Ending.UNFINISHED),
    "empty": Scene("200 without a body", ending=Ending.EMPTY),
    "cut": Scene("200, connection closed within an event", ending=Ending.CUT),
    "stalled": Scene("200, silence after half of the answer", ending=Ending.STALLED),
    "mute": Scene("no answer at all", ending=Ending.MUTE),
}

_FAILURE_WEIGHTS = {
    "overloaded": 4,
    "rate_limited": 3,
    "error_midstream": 3,
    "cut": 3,
    "api_error": 1,
    "error_first": 1,
    "bad_gateway": 1,
    "quota": 2,
}
"""How often each failure is drawn; `quota` stands for the caller's own kind of limit."""
GZIP_SHARE = 0.15
"""Share of the other answers that are compressed."""


def draw(random: Random, failures: float, *, oauth: bool) -> str:
    """The scene of a request that names none; `failures` is the share (0 to 1) that fails."""
    if random.random() >= failures:
        return "story_gzip" if random.random() < GZIP_SHARE else "story"
    name = random.choices(list(_FAILURE_WEIGHTS), list(_FAILURE_WEIGHTS.values()))[0]
    if name == "quota":
        return "limit_reached" if oauth else "minute_limit"
    return name
