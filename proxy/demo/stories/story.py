"""The shape of a story: what a person asks of a coding agent, what the model then thinks, calls and answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from proxy.demo.shapes import Json


@dataclass(frozen=True)
class Call:
    """One tool call and what the tool returns."""

    tool: str
    input: dict[str, Json]
    result: str = ""
    """What the tool returns; empty for a sub-agent or a search, whose result is another conversation's answer."""
    listing_lines: int = 0
    """When not 0, the tool returns a listing of `input["file_path"]` of so many lines instead."""
    fails: bool = False
    """Whether the result is marked as an error."""


@dataclass(frozen=True)
class Step:
    """One turn of the model that ends in tool calls; several calls run in parallel."""

    thought: str
    says: str
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Chapter:
    """One prompt and everything until its final answer."""

    prompt: str
    steps: tuple[Step, ...]
    answer: str
    thought: str = ""
    """What the model thinks before the final answer; empty when it does not."""
    long: bool = False
    """Whether the final answer goes on for thousands of tokens."""


@dataclass(frozen=True)
class Page:
    """One web search result."""

    title: str
    url: str
    age: str
    passage: str


@dataclass(frozen=True)
class Search:
    """A web search: its query, the pages found and the summary that cites them."""

    query: str
    pages: tuple[Page, ...]
    summary: str


@dataclass(frozen=True)
class Story:
    """One session's work."""

    title: str
    folder: str
    """Where the project lives on the fictitious machine."""
    chapters: tuple[Chapter, ...]
    errands: tuple[Chapter, ...] = field(default=())
    """What sub-agents are sent to do: their prompts are the `prompt` of a Task call."""
    searches: tuple[Search, ...] = field(default=())


@dataclass(frozen=True)
class Ticket:
    """One item of the script that sorts a support inbox, without streaming and without tools."""

    text: str
    category: str
    priority: str
    summary: str
