"""One session of a coding agent, seen from the upstream."""

from __future__ import annotations

import asyncio
import json

import httpx

from proxy.demo.agent import new_session, play_session
from proxy.demo.callers import CALLERS, CallerProfile
from proxy.demo.calling import Calling, Played
from proxy.demo.chance import seeded
from proxy.demo.journal import Seen
from proxy.demo.stories import STORIES
from proxy.demo.stories.story import Story
from tests.demo.conftest import Running


def session(upstream: Running, story: Story, seed: int, caller: CallerProfile = CALLERS[0]) -> list[Seen]:
    """What the upstream saw of a session played with `seed`."""

    async def main() -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            calling = Calling(http, upstream.url, caller, Played(), 0)
            random = seeded(seed)
            await play_session(new_session(caller, story, "claude-opus-4-6", random), calling, random)

    before = len(upstream.journal)
    asyncio.run(main())
    return upstream.journal[before:]


def header(seen: Seen, name: str) -> str | None:
    return dict(seen.headers).get(name)


def turns(journal: list[Seen]) -> list[Seen]:
    """The main agent's turns: bodies of tens of kilobytes to the messages endpoint."""
    return [
        seen
        for seen in journal
        if seen.target == "/v1/messages?beta=true"
        and seen.body_bytes > 20_000
        and header(seen, "x-claude-code-agent-id") is None
    ]


def test_session_begins_with_hello_quota_and_title(upstream: Running) -> None:
    journal = session(upstream, STORIES[0], 1)
    assert [(seen.method, seen.target) for seen in journal[:3]] == [
        ("HEAD", "/api/hello"),
        ("POST", "/v1/messages?beta=true"),
        ("POST", "/v1/messages?beta=true"),
    ]
    assert all(seen.body_bytes < 2_000 for seen in journal[:3])


def test_api_key_session_asks_no_quota(upstream: Running) -> None:
    journal = session(upstream, STORIES[0], 1, CALLERS[2])
    assert [seen.body_bytes < 2_000 for seen in journal[:3]] == [True, True, False]


def test_context_grows_with_every_turn(upstream: Running) -> None:
    sizes = [seen.body_bytes for seen in turns(session(upstream, STORIES[0], 1))]
    assert len(sizes) > 5
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0] + 20_000


def test_all_requests_but_hello_carry_the_session(upstream: Running) -> None:
    journal = session(upstream, STORIES[1], 3)
    sessions = {header(seen, "x-claude-code-session-id") for seen in journal[1:]}
    assert len(sessions) == 1
    assert None not in sessions


def test_sub_agents_have_ids_and_a_parent(upstream: Running) -> None:
    journal = session(upstream, STORIES[1], 3)
    delegated = [seen for seen in journal if header(seen, "x-claude-code-agent-id")]
    assert len({header(seen, "x-claude-code-agent-id") for seen in delegated}) == 2
    assert {header(seen, "x-claude-code-parent-agent-id") for seen in delegated} == {"main"}


def test_search_is_a_request_of_its_own(upstream: Running) -> None:
    journal = session(upstream, STORIES[2], 3)
    small = [seen for seen in journal if seen.target == "/v1/messages?beta=true" and seen.body_bytes < 20_000]
    assert len(small) == 3


def test_hints_are_sent_by_some_sessions_only() -> None:
    hinted = [new_session(CALLERS[0], STORIES[0], "m", seeded(n)).hints for n in range(50)]
    assert 5 < sum(hinted) < 45
    chosen = new_session(CALLERS[0], STORIES[0], "m", seeded(hinted.index(True)))
    assert ("x-claude-code-request-class", "main") in chosen.lines("main")
    assert json.loads(CALLERS[0].user_id(chosen.id))["session_id"] == chosen.id
