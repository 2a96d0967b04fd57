"""The real OpenAI SDK as a client of the fake upstream."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import openai
import pytest

from tests.demo.conftest import Running

Client = Callable[..., openai.OpenAI]


@pytest.fixture
def sdk(upstream: Running) -> Iterator[Client]:
    """Makes clients that name `scene` in every request and try again `retries` times."""
    made: list[openai.OpenAI] = []

    def client(scene: str | None = None, retries: int = 0) -> openai.OpenAI:
        headers = {"x-demo-scene": scene} if scene else {}
        base = f"{upstream.url}/v1"
        made.append(openai.OpenAI(base_url=base, api_key="sk-demo", max_retries=retries, default_headers=headers))
        return made[-1]

    yield client
    for one in made:
        one.close()
