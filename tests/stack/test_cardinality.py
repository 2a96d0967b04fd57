"""However hostile the callers are, the proxy's metrics stay few: ten thousand made-up names add one model, `other`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.names.metrics import INSTRUMENTS, Channel
from proxy.observer.cardinality import most_of_all, most_prometheus_series
from proxy.observer.labels import MOST_MODELS
from proxy.settings.shape import MOST_SERIES
from tests.kit import laws, raw
from tests.kit.process import Proxy, wait
from tests.kit.upstream import Talk, Upstream

ENDPOINTS = """
[endpoints.default]
path = ""
[endpoints.production]
"""
KNOWN = "claude-sonnet-4-6"
KINDS = 24
"""Ways to be hostile; the first so many calls show all of them."""
CALLS, FIRST = 10_000, 480
AT_ONCE = 8
SECONDS = 120.0
Series = tuple[str, frozenset[tuple[str, str]]]


@contextmanager
def proxied(folder: Path, answer: Callable[[Talk], None], env: dict[str, str] | None = None) -> Iterator[Proxy]:
    """A proxy in front of an upstream that answers so; ends with the laws."""
    with Upstream(script=answer).running() as upstream:
        proxy = Proxy(folder, upstream.url, rest=ENDPOINTS, env=env)
        with proxy.running():
            yield proxy
            laws.check(proxy)


def knows_one_model(talk: Talk) -> None:
    """The API as it is: other models are not found, other paths neither."""
    asked = _model(talk.seen.body)
    if asked == KNOWN and talk.seen.line.startswith(b"POST /v1/messages "):
        succeeds(talk)
    else:
        error = {"type": "error", "error": {"type": "not_found_error", "message": f"model: {asked}"[:500]}}
        talk.answer(json.dumps(error).encode(), status="404 Not Found")


def succeeds(talk: Talk) -> None:
    """An upstream that takes every name."""
    usage = {"input_tokens": 3, "output_tokens": 5}
    message = {
        "type": "message",
        "model": _model(talk.seen.body),
        "content": [],
        "stop_reason": "end_turn",
        "usage": usage,
    }
    talk.answer(json.dumps(message).encode())


def _model(body: bytes) -> object:
    try:
        asked = json.loads(body)
    except ValueError:
        return None
    return asked.get("model") if isinstance(asked, dict) else None


def hostile(number: int) -> bytes:
    """One call whose names nobody has sent before."""
    kind, fresh = number % KINDS, f"{number:05}"
    made_up = (
        *(
            f"model-{fresh}",
            f"{KNOWN}-2099{fresh[-4:]}",
            f'{KNOWN}"}} 1\nproxy_evil_total{{x="{fresh}',
            "é" * 40 + fresh,
        ),
        *(fresh * 500, f"../../{fresh}", f"{KNOWN}\x00{fresh}", f" {KNOWN} {fresh}"),
    )
    body = json.dumps({"model": made_up[kind % len(made_up)], "stream": bool(kind % 3), "metadata": {"user_id": fresh}})
    path = (f"/v1/messages?x={fresh}", f"/v1/{fresh}/messages", f"/{fresh}", f"/production/v1/{fresh}")[kind // 6]
    headers = (
        f"x-api-key: sk-ant-api03-{fresh}\r\n"
        f"User-Agent: {fresh}/1.0\r\n"
        f"x-proxy-workflow: flow-{fresh}\r\n"
        f"x-claude-code-session-id: {fresh}\r\n"
        f"anthropic-beta: {fresh}\r\n"
        f"anthropic-ratelimit-unified-{fresh}-utilization: 0.5\r\n"
        f"x-{fresh}: {fresh}\r\n"
    )
    if kind == KINDS - 1:
        return raw.get(path, headers, method=f"M{fresh}")
    return raw.post(path, b"{" + fresh.encode() if kind == KINDS - 2 else body.encode(), headers)


def send(proxy: Proxy, calls: list[bytes]) -> None:
    """Sends the calls over a few connections and reads every answer."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda start: _send(raw.address(proxy.base_url), calls[start::AT_ONCE]), range(AT_ONCE)))


def _send(address: tuple[str, int], calls: list[bytes]) -> None:
    waiting = iter(calls)
    for call in waiting:
        with raw.Connection(address, SECONDS) as connection:
            connection.send(call)
            while (answer := connection.reply()).value(b"connection") != b"close":
                assert answer.ended
                following = next(waiting, None)
                if following is None:
                    break
                connection.send(following)


def counted(proxy: Proxy, calls: int) -> set[Series]:
    """All series of `/metrics` once so many calls are counted."""
    wait(lambda: _sum(proxy.metrics()) == calls, f"{calls} calls on /metrics", SECONDS)
    families = text_string_to_metric_families(proxy.metrics())
    return {(one.name, frozenset(one.labels.items())) for family in families for one in family.samples}


def _sum(exposition: str) -> float:
    lines = (line for line in exposition.splitlines() if line.startswith("proxy_request_count_total"))
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def of_calls(series: set[Series]) -> set[Series]:
    """Those that calls make; the health family tells of the proxy itself and begins when it has something to tell."""
    health = tuple(one.name.replace(".", "_") for one in INSTRUMENTS if one.channel is Channel.HEALTH)
    return {one for one in series if not one[0].startswith(health)}


def models(series: set[Series]) -> set[str]:
    """Values of the label."""
    return {value for _, labels in series for name, value in labels if name.endswith("model")}


def most_of(series: set[Series], limit: int) -> None:
    """Asserts that no instrument has more series than is documented."""
    found = Counter(name for name, _ in series)
    for one in INSTRUMENTS:
        stem = one.name.replace(".", "_")
        number = sum(count for name, count in found.items() if name.startswith(stem))
        assert number <= most_prometheus_series(one, 2, limit), one.name
    assert len(series) <= most_of_all(2, limit)


@pytest.mark.timeout(300)
def test_made_up_names_paths_and_headers_add_one_model(tmp_path: Path) -> None:
    with proxied(tmp_path, knows_one_model) as proxy:
        good = raw.post("/v1/messages", json.dumps({"model": KNOWN}).encode())
        send(proxy, [good, good.replace(b"POST ", b"POST /production", 1)])
        before = counted(proxy, 2)
        send(proxy, [hostile(number) for number in range(FIRST)])
        after = counted(proxy, FIRST + 2)
        send(proxy, [hostile(number) for number in range(FIRST, CALLS)])
        finally_there = counted(proxy, CALLS + 2)
    assert models(before) == {KNOWN}
    assert models(after) == {KNOWN, "other"}
    assert of_calls(finally_there) == of_calls(after)
    most_of(finally_there, MOST_SERIES)


def test_an_upstream_that_takes_every_name_adds_no_more_than_the_limits(tmp_path: Path) -> None:
    limit, calls = 40, 300
    with proxied(tmp_path, succeeds, {"ANTHROPIC_PROXY_TELEMETRY_MAX_SERIES": str(limit)}) as proxy:
        dates = (f"20{year:02}{month:02}01" for year in range(25) for month in range(1, 13))
        names = [json.dumps({"model": f"{KNOWN}-{date}"}).encode() for date in dates]
        send(proxy, [raw.post("/v1/messages", name) for name in names])
        series = counted(proxy, calls)
    assert len(models(series)) <= min(MOST_MODELS + 1, limit + 1)
    assert any(("otel_metric_overflow", "true") in labels for _, labels in series)
    most_of(series, limit)
