"""The generator against a real upstream: counts, determinism, failures, stopping."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from benchmarks.processes import free_port
from proxy.demo.calling import Played
from proxy.demo.journal import Seen
from proxy.demo.traffic import play
from proxy.demo.upstream import Upstream
from tests.demo.conftest import listening
from tests.kit.process import wait

OPERATIONS = {
    "/api/hello": "hello",
    "/v1/models": "models",
    "/v1/messages": "messages",
    "/v1/messages/count_tokens": "count_tokens",
}


def played(urls: str | Sequence[str], *, seed: int = 1, sessions: int = 3) -> Played:
    async def main() -> Played:
        return await play(urls, seed=seed, sessions=sessions, pace=0, stop=asyncio.Event())

    return asyncio.run(main())


def with_upstream(*, sessions: int = 3, failures: float = 0.0, seed: int = 1) -> tuple[Played, list[Seen]]:
    journal: list[Seen] = []
    with listening(Upstream(seed=5, speed=0, failures=failures, journal=journal), journal) as running:
        return played(running.url, seed=seed, sessions=sessions), journal


def told(journal: list[Seen]) -> Counter[tuple[object, ...]]:
    """What was asked and answered, without the port and in no order."""
    return Counter(
        (
            seen.method,
            seen.target,
            tuple(line for line in seen.headers if line[0] != "host"),
            seen.body_sha256,
            seen.status,
        )
        for seen in journal
    )


def test_counts_are_those_of_the_upstream() -> None:
    result, journal = with_upstream()
    assert result.sessions == 3
    assert result.requests == Counter(OPERATIONS[seen.target.partition("?")[0]] for seen in journal)
    assert result.statuses == Counter(seen.status for seen in journal)
    assert result.statuses.total() == len(journal) > 30
    assert result.broken == 0


def test_same_seed_sends_the_same_requests() -> None:
    first, second, other = with_upstream(failures=0.2), with_upstream(failures=0.2), with_upstream(seed=2)
    assert told(first[1]) == told(second[1])
    assert first[0] == second[0]
    assert told(first[1]) != told(other[1])


def test_failures_are_met_and_survived() -> None:
    result, journal = with_upstream(sessions=20, failures=0.3)
    assert result.sessions == 20
    assert {429, 500, 529, 502, 400} & set(result.statuses) >= {429, 529}
    assert result.broken > 0
    assert result.aborts > 0
    assert any(seen.scene == "limit_reached" for seen in journal)
    retried = [seen for seen in journal if ("x-stainless-retry-count", "2") in seen.headers]
    assert retried


def test_both_kinds_of_caller_and_several_models_take_part() -> None:
    _, journal = with_upstream(sessions=7)
    credentials = {
        dict(seen.headers).get("authorization", dict(seen.headers).get("x-api-key", "none")) for seen in journal
    }
    assert {credential.removeprefix("Bearer ")[:12] for credential in credentials} == {
        "sk-ant-oat01",
        "sk-ant-api03",
        "none",
    }
    sub_agents = {dict(seen.headers).get("x-claude-code-agent-id") for seen in journal}
    assert len(sub_agents) == 3


def test_sessions_take_turns_among_base_urls() -> None:
    journals: tuple[list[Seen], list[Seen]] = ([], [])
    with (
        listening(Upstream(speed=0, journal=journals[0]), journals[0]) as one,
        listening(Upstream(speed=0, journal=journals[1]), journals[1]) as two,
    ):
        result = played([one.url, two.url + "/"], sessions=4)
    assert result.statuses.total() == len(journals[0]) + len(journals[1])
    assert all(journals)


def test_unreachable_proxy_ends_sessions_but_not_the_generator() -> None:
    result = played(f"http://127.0.0.1:{free_port()}", sessions=2)
    assert result.sessions == 2
    assert result.broken == result.requests.total() > 2
    assert not result.statuses


def test_stop_ends_an_endless_play_within_an_answer() -> None:
    journal: list[Seen] = []

    async def main(url: str) -> Played:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(play(url, seed=1, sessions=None, pace=1, stop=stop))
            await asyncio.to_thread(wait, lambda: len(journal) > 3, "traffic")
            stop.set()
        return playing.result()

    with listening(Upstream(speed=1, journal=journal), journal) as running:
        result = asyncio.run(main(running.url))
    assert result.sessions == 0
    assert result.requests.total() >= 4
