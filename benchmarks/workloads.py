"""What is asked of every peer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.native import Order

_NONCE = "nonce-0000000000000000"
"""The load generator makes it unique, as the last message of a real call is."""
_WORDS = "The parser reads one line at a time, keeps what it cannot finish, and hands over whole events. "
_TURNS = 16


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of traffic."""

    name: str
    title: str
    order: Order
    unit: str = "call"
    units: int = 1
    """In one request: what CPU time is divided by, with the number of requests."""
    tls: bool = False
    """To the upstream."""

    def scaled(self, share: float) -> Workload:
        """The same with fewer requests, for a slow peer or a quick look."""
        least = self.order.connections if not self.order.rate else max(8, round(self.order.connections * share))
        requests = max(least, round(self.order.requests * share))
        return replace(self, order=replace(self.order, requests=requests, connections=min(least, requests)))


def workloads(folder: Path) -> Sequence[Workload]:
    """All of them; their request bodies are written into the folder."""
    small, large = _write(folder, "small", _call(900)), _write(folder, "large", _agent(_TURNS))
    session = [_write(folder, f"turn-{turn}", _agent(turn)) for turn in range(1, _TURNS + 1)]
    calls = Workload("W1", "1 kB call", Order(32, 8_000, small))
    paced = Workload("W4", "200 streams × 50 events/s", Order(200, 200, small, 500, 50, ramp_ms=2_000), "event", 500)
    return (
        calls,
        Workload("W2", "200 kB call", Order(32, 3_000, large)),
        Workload("W3", "200 events at full speed", Order(32, 1_000, small, 200), "event", 200),
        paced,
        Workload(
            "W5", "agent sessions, every fifth call left", Order(16, 1_600, [b for [b] in session], 60, abort_every=5)
        ),
        replace(calls, name="W1 TLS", title="1 kB call, TLS to the upstream", tls=True),
        replace(paced, name="W4 TLS", title="200 streams × 50 events/s, TLS to the upstream", tls=True),
    )


def _write(folder: Path, name: str, body: dict[str, object]) -> list[Path]:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(body), "utf-8")
    return [path]


def _call(size: int) -> dict[str, object]:
    text = _NONCE + " " + (_WORDS * (size // len(_WORDS) + 1))[:size]
    return {"model": "claude-sonnet-4-6", "max_tokens": 64, "messages": [{"role": "user", "content": text}]}


def _agent(turns: int) -> dict[str, object]:
    """A call of a coding agent: tools and instructions, all that was said before, and something new; 200 kB at 16."""
    tools = [
        {"name": f"tool_{n}", "description": f"{n}: " + _WORDS * 12, "input_schema": {"type": "object"}}
        for n in range(20)
    ]
    messages: list[dict[str, object]] = []
    for turn in range(turns):
        told = f"{turn}: " + _WORDS * 100
        messages.append(
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"t{turn}", "content": told}]}
        )
        messages.append({"role": "assistant", "content": [{"type": "text", "text": f"{turn}: " + _WORDS * 8}]})
    messages.append({"role": "user", "content": _NONCE})
    system = [{"type": "text", "text": _WORDS * 100}]
    return {"model": "claude-sonnet-4-6", "max_tokens": 8192, "messages": messages, "system": system, "tools": tools}
