"""A coding agent's session as the relay sees it: every request repeats all that was said before.

The files that the agent reads are those of the standard library, numbered as Claude Code numbers them; the rest is the
demo's. The client sends `messages` first and moves its cache breakpoint from turn to turn, as Claude Code does.
"""

from __future__ import annotations

import argparse
import json
import textwrap
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from proxy.demo import headers, prompts, prose
from proxy.demo.answer import Answer, Message
from proxy.demo.callers import CALLERS
from proxy.demo.chance import identifier, opaque, seeded, uuid
from proxy.demo.events import frame, stream_events
from proxy.demo.shapes import Block, Pairs
from proxy.demo.weight import PromptTokens

SOURCES = (argparse, textwrap, typing, json)
ORDER = ("model", "messages", "system", "tools")
"""What Claude Code sends first; the rest follows."""


@dataclass(frozen=True)
class Turn:
    """One request of the session and its answer."""

    request_headers: Pairs
    request: bytes
    answer_headers: Pairs
    events: tuple[bytes, ...]
    """The answer's stream, one event each."""


def session(turns: int, *, seed: int = 1, messages_first: bool = True) -> Iterator[Turn]:
    """All turns of one session, the same for the same arguments."""
    random = seeded("session", seed)
    caller = CALLERS[0]
    model, number = "claude-opus-4-6", uuid(random)
    voice = prompts.Voice(model, caller.user_id(number), "/home/ada/weather", caller.oauth)
    lines = [*caller.lines(), ("X-Claude-Code-Session-Id", number)]
    messages = [prompts.first_message("Find out why the reports of last week are wrong, and mend it.", voice.folder)]
    reading = _reading()
    for _ in range(turns):
        body = prompts.agent_body(voice, messages)
        if messages_first:
            body = {name: body[name] for name in (*ORDER, *(name for name in body if name not in ORDER))}
        answer = Answer(_blocks(random), "tool_use", None, random.randint(200, 900), random.randint(20, 200))
        message = Message(identifier(random, "msg_01"), model, answer, PromptTokens(3, 90_000, 0, 2_000), "global")
        yield Turn(
            lines,
            json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
            _answer_lines(random),
            tuple(frame(event, random) for event in stream_events(message, random)),
        )
        messages.append({"role": "assistant", "content": answer.blocks})
        used = answer.blocks[-1]["id"]
        shown = next(reading)
        messages.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": used, "content": shown}]})


def _blocks(random: Random) -> list[Block]:
    thought = prose.manual(random, 1)[: random.randint(100, 1_500)]
    path = f"/home/ada/weather/{random.choice(('api', 'jobs', 'store'))}/{identifier(random, 'm_', 6)}.py"
    return [
        {"type": "thinking", "thinking": thought, "signature": "EqQB" + opaque(random, 400) + "=="},
        {"type": "text", "text": prose.thought(random)},
        {
            "type": "tool_use",
            "id": identifier(random, "toolu_01"),
            "name": "Read",
            "input": {"file_path": path, "offset": random.randint(1, 900)},
        },
    ]


def _reading() -> Iterator[str]:
    """Stretches of source files, of different lengths."""
    random = seeded("reading")
    while True:
        for module in SOURCES:
            lines = Path(str(module.__file__)).read_text(encoding="utf-8").splitlines()
            start = 0
            while start < len(lines):
                count = random.randint(20, 160)
                part = enumerate(lines[start : start + count], start + 1)
                yield "\n".join(f"{number:>6}\t{line}" for number, line in part)
                start += count


def _answer_lines(random: Random) -> Pairs:
    windows = [
        (f"anthropic-ratelimit-unified-{name}", value)
        for window in ("5h", "7d")
        for name, value in (
            (f"{window}-utilization", f"{random.random():.4f}"),
            (f"{window}-reset", "1795280000"),
            (f"{window}-status", "allowed"),
        )
    ]
    edge = headers.edge_lines(random, 1_795_270_000 + random.random() * 1000, headers.SSE)
    return [
        *edge,
        ("request-id", headers.request_id(random)),
        ("anthropic-organization-id", uuid(seeded("organization"))),
        *windows,
        ("via", "1.1 google"),
        ("cf-cache-status", "DYNAMIC"),
    ]
