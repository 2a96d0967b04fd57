from __future__ import annotations

import json
import time
from pathlib import Path

from tests.kit.paced import paced
from tests.kit.process import Proxy
from tests.long.heavy import MEGABYTE, agent_session
from tests.long.stalls import LONGEST_MS, Waits, watched

STALL_S = 0.2


def test_one_short_stall_is_seen_in_nearly_its_whole_length(tmp_path: Path) -> None:
    with paced() as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        with proxy.running(), watched(proxy) as waits:
            time.sleep(0.3)
            with proxy.suspended("relay"):
                time.sleep(STALL_S)
            time.sleep(0.1)
    assert waits.asked > 10
    assert waits.held_ms > 0.8 * STALL_S * 1000
    assert waits.longest_ms >= waits.held_ms
    assert not waits.figure("test").held


def test_a_relay_that_was_never_asked_has_no_figure() -> None:
    assert not Waits().figure("test").held
    assert Waits(1, 90.0, LONGEST_MS).figure("test").held


def test_a_large_session_is_json_of_that_size_whose_messages_differ() -> None:
    body = agent_session(3 * MEGABYTE)
    assert 2.5 * MEGABYTE < len(body) < 4 * MEGABYTE
    answers = [json.dumps(each["content"]) for each in json.loads(body)["messages"] if each["role"] == "assistant"]
    assert len(set(answers)) == len(answers)
