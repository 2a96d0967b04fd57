"""Plays a script that sorts a support inbox: short requests, no streaming, now and then a mistake."""

from __future__ import annotations

from random import Random

from proxy.demo import prose
from proxy.demo.calling import Calling
from proxy.demo.plot import TICKET_PREFIX
from proxy.demo.shapes import Block
from proxy.demo.stories.tickets import TICKETS

MODEL = "claude-haiku-4-5-20251001"
MISTAKE_SHARE = 0.05
"""Share of requests that forget `max_tokens`."""
PASTE_SHARE = 0.015
"""Share of tickets that come with a log of more tokens than a prompt may have."""
PASTED_LINES = 17_000
COUNT_SHARE = 0.2
SCHEMA: Block = {
    "type": "object",
    "properties": {
        "category": {"type": "string", "enum": ["billing", "bug", "feature", "outage", "privacy", "question"]},
        "priority": {"type": "string", "enum": ["low", "normal", "high", "urgent"]},
        "summary": {"type": "string"},
    },
    "required": ["category", "priority", "summary"],
    "additionalProperties": False,
}


async def play_inbox(calling: Calling, random: Random) -> None:
    """List the models, then sort a handful of tickets one after the other."""
    await calling.models()
    for ticket in random.sample(TICKETS, random.randint(3, 6)):
        body: Block = {
            "model": MODEL,
            "max_tokens": 1_024,
            "system": "You sort messages for a small software company. Answer as JSON.",
            "messages": [{"role": "user", "content": TICKET_PREFIX + ticket.text}],
            "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        }
        if random.random() < COUNT_SHARE:
            await calling.count({name: body[name] for name in ("model", "system", "messages")}, [])
        if random.random() < MISTAKE_SHARE:
            del body["max_tokens"]
        if random.random() < PASTE_SHARE:
            body["messages"][0]["content"] += "\n\n" + prose.listing("attachments/server.log", PASTED_LINES)
        await calling.ask(body, [], beta=False)
        await calling.wait(random.uniform(0.3, 1.5))
