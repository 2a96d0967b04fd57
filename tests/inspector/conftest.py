"""One filled ledger and one browser for all tests of the inspector."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from proxy.exchange import Exchange, Outcome, Usage, UsageSource
from proxy.ledger.folder import Folder
from tests.inspector.filling import NOW_NS, SECOND, Told, accepted, answered, failed, json_bytes, telling
from tests.inspector.site import TOKEN, Site, serving

VECTORS = Path(__file__).parent.parent / "fixtures" / "vectors"
CHROMIUM = "/usr/bin/chromium"

REQUEST = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 32000,
    "stream": True,
    "thinking": {"type": "enabled", "budget_tokens": 16000},
    "system": [{"type": "text", "text": "You are terse.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "tools": [
        {
            "name": "get_weather",
            "description": "Tells the weather.",
            "input_schema": {"type": "object", "properties": {"location": {"type": "string"}}},
        }
    ],
    "messages": [
        {"role": "user", "content": "Look:\n```python\ndef f(): return 1\n```"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Let me see.", "signature": "EqQ"},
                {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"location": "Paris"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True, "content": "no such town"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
            ],
        },
    ],
}


@dataclass(frozen=True)
class Sample:
    """A filled data folder and the ids of its requests by what they show."""

    folder: Folder
    ids: dict[str, str]


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """One request of every kind that pages treat differently; the newest is the last of the names."""
    with telling(tmp_path_factory.mktemp("filled")) as told:
        exchanges = _tell_all(told)
        told.settle(*(exchange.request_id for exchange in exchanges.values() if exchange.outcome is not None))
        told.priced(*exchanges.values())
    return Sample(told.folder, {name: exchange.request_id for name, exchange in exchanges.items()})


def _metrics(accept: str, health_only: bool) -> tuple[bytes, str]:
    return (b"up 1 health\n" if health_only else b"up 1\n"), "text/plain; version=0.0.4"


@pytest.fixture(scope="session")
def site(sample: Sample) -> Iterator[Site]:
    """The inspector over the sample."""
    with serving(sample.folder, metrics=_metrics) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A real browser; not for longer, because while it lives no other test of this thread can run an event loop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A fresh browser profile with one page."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, timezone_id="Europe/Berlin")
    yield context.new_page()
    context.close()


def sign_in(context: BrowserContext, site: Site) -> None:
    """Sign a browser in with the token, as a person does."""
    page = context.new_page()
    page.goto(f"{site.base}/sign-in")
    page.fill("#token", TOKEN)
    page.press("#token", "Enter")
    page.wait_for_url("**/requests")
    page.close()


def vector(name: str) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """Response body and headers of a sample exchange."""
    loaded: dict[str, Any] = json.loads((VECTORS / name).read_text())
    return loaded["body"].encode(), tuple((name, value) for name, value in loaded["headers"])


def _tell_all(told: Told) -> dict[str, Exchange]:
    made: dict[str, Exchange] = {}

    def tell(name: str, make: Any, body: bytes = b"{}", headers: Any = (), **rest: Any) -> None:
        started = NOW_NS + len(made) * SECOND
        made[name] = make(told.id_at(started), started, **rest.pop("changes", {}))
        given = {"request": json_bytes(REQUEST), **rest}
        told.finished(
            made[name], response=body, response_headers=headers or (("content-type", "application/json"),), **given
        )

    stream, stream_headers = vector("anthropic_stream_thinking_tool_cached.json")
    cuts = (0, 400, 1000, 2000)
    tell("count", answered, b'{"input_tokens":7}', changes={
        "operation": "count_tokens", "path": "/v1/messages/count_tokens", "usage": Usage(), "stream": False,
        "usage_source": UsageSource.NONE, "first_token_ms": None, "finish_reason": None, "session_id": None,
    })  # fmt: skip
    tell("stream", answered, stream, stream_headers, chunks=[(cut, 700.0 + cut) for cut in cuts])
    tell("gzip", answered, gzip.compress(stream), (*stream_headers, ("content-encoding", "gzip")),
         changes={"billing": "subscription", "endpoint": "production"})  # fmt: skip
    body, headers = vector("anthropic_json_tool.json")
    tell("json", answered, body, headers, changes={
        "stream": False, "first_token_ms": None, "usage": Usage(input_tokens=16_527, output_tokens=95),
        "response_model": "claude-sonnet-4-5",
    })  # fmt: skip
    body, headers = vector("anthropic_429_unified.json")
    tell("error", failed, body, headers)
    body, headers = vector("anthropic_stream_error.json")
    tell("instream", answered, body, headers, changes={
        "outcome": Outcome.ERROR_IN_STREAM, "error_type": "overloaded_error", "error_message": "Overloaded",
        "finish_reason": None, "usage": Usage(input_tokens=25, output_tokens=1), "usage_source": UsageSource.PARTIAL,
    })  # fmt: skip
    tell("left", answered, stream[:900], stream_headers, changes={
        "outcome": Outcome.CLIENT_DISCONNECTED, "usage_source": UsageSource.PARTIAL, "finish_reason": None,
    })  # fmt: skip
    unpriced = {"model": "claude-mystery-9", "response_model": "claude-mystery-9"}
    tell("uncaptured", answered, b"y" * 3000, request=b"x" * 500, capture="off", changes=unpriced)
    tell("broken", answered, b"\xff\xfe not json", request=b'{"model": "m", "messages": [', changes={"stream": False})
    made["open"] = accepted(told.id_at(NOW_NS + 60 * SECOND), NOW_NS + 60 * SECOND)
    told.opened(made["open"])
    return made
