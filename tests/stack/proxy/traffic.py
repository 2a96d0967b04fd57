"""Some thousand calls of every kind through a proxy, from fixed seeds: sample sessions, and each way to fail."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from itertools import product

import httpx

from proxy.demo.traffic import play
from tests.kit import laws, raw

SPEED = 0.02
"""Of the upstream: fast, but not so fast that a stream is one burst, which has no rate."""
FAILURES = 0.15
SETTINGS = """
[upstreams.gone]
url = "http://127.0.0.1:9"
[endpoints.default]
path = ""
upstreams = ["anthropic"]
[endpoints.production]
upstreams = ["anthropic"]
organization = "acme"
[endpoints.nightly-runs]
upstreams = ["anthropic"]
organization = "acme"
workflow = "reports"
billing = "pay_as_you_go"
[endpoints.labs]
upstreams = ["anthropic"]
organization = "umbrella"
billing = "free"
[endpoints.nowhere]
upstreams = ["gone"]
organization = "umbrella"
"""
RELAY = """
header_timeout = "2s"
idle_timeout = "2s"
"""
NEW_MODEL = "claude-opus-4-1"
"""In the price table, but in nothing that was written about dashboards; not seen in the first round."""
UNPRICED_MODEL = "claude-nova-9"
COOLING = f"sk-ant-oat01-{laws.CANARY}-cooling"
"""Whose last answer says that its window is full."""

_ENDPOINTS = ("", "/production", "/nightly-runs", "/labs")
_MODELS = ("claude-sonnet-4-6", "claude-opus-4-6", "claude-haiku-4-5-20251001", UNPRICED_MODEL)
_SCENES = (
    *("text", "thinking", "tool", "parallel_tools", "web_search", "refusal", "story_gzip"),
    *("rate_limited", "minute_limit", "overloaded", "api_error", "unauthorized", "prompt_too_long", "bad_gateway"),
    *("error_first", "error_midstream", "unfinished", "empty", "cut"),
)
_ENDLESS = ("mute", "stalled")
_SESSIONS = 6
_AT_ONCE = 16
_PROMPT = "word " * 1_500
"""Long enough to be cached."""
_API_KEY = {"x-api-key": laws.API_KEY}
_OAUTH = {"authorization": f"Bearer {laws.OAUTH_TOKEN}"}
Call = tuple[str, str, str, bool, dict[str, str]]
"""Path of the endpoint, model, scene, whether it is streamed, credential."""


def rounds(base_url: str) -> Iterator[None]:
    """Sends two rounds of calls and stops after each, so that what has arrived can be waited for."""
    for number in range(2):
        asyncio.run(_round(base_url, number))
        yield


async def _round(base_url: str, number: int) -> None:
    urls = [base_url + path for path in _ENDPOINTS]
    await play(urls, seed=11 + number, sessions=_SESSIONS, pace=0, stop=asyncio.Event())
    models = _MODELS if number == 0 else (*_MODELS, NEW_MODEL)
    # The second round is twice as long.
    calls = (number + 1) * [
        (path, model, scene, streamed, _OAUTH if (number + len(scene)) % 2 else _API_KEY)
        for path, model, scene, streamed in product(_ENDPOINTS, models, _SCENES, (True, False))
    ]
    calls += [(path, _MODELS[0], scene, True, _API_KEY) for path, scene in product(_ENDPOINTS, _ENDLESS)]
    calls += [("/nowhere", model, "text", True, _API_KEY) for model in _MODELS]
    await _send_all(base_url, calls, number)
    await _send_all(base_url, [("", _MODELS[0], "limit_reached", True, {"authorization": f"Bearer {COOLING}"})], number)
    raw.ask(base_url, raw.post("/v1/messages", b"{}", host="elsewhere.example"))


async def _send_all(base_url: str, calls: list[Call], number: int) -> None:
    waiting = iter(enumerate(calls))
    limits = httpx.Limits(max_connections=_AT_ONCE)
    async with httpx.AsyncClient(timeout=30, limits=limits, trust_env=False) as client, asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(_send(client, base_url, waiting, number))


async def _send(client: httpx.AsyncClient, base_url: str, waiting: Iterator[tuple[int, Call]], number: int) -> None:
    for position, (path, model, scene, streamed, credential) in waiting:
        body = {
            "model": model,
            "max_tokens": 512,
            "stream": streamed,
            "system": [{"type": "text", "text": _PROMPT, "cache_control": {"type": "ephemeral"}}],
            "messages": [{"role": "user", "content": f"Call {position} of round {number}"}],
        }
        headers = {**credential, "x-demo-scene": scene, "anthropic-version": "2023-06-01"}
        # What is cut off arrives as an error, here as at everybody's.
        with contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError):
            await client.post(f"{base_url}{path}/v1/messages", json=body, headers=headers)
