from __future__ import annotations

import os
from pathlib import Path

from proxy.settings.shape import Endpoint, Settings
from proxy.supervisor.handover import HandOver, give, take


def test_what_is_given_is_taken() -> None:
    told = HandOver(Settings(data=Path("/data")), 3, 4, "code", ("http://a",))
    read, write = os.pipe()
    give(write, told)
    assert take(read) == told


def test_a_child_that_has_ended_already_is_no_error() -> None:
    many = {f"e{number}": Endpoint(path=f"/e{number}", upstreams=("anthropic",)) for number in range(2000)}
    read, write = os.pipe()
    os.close(read)
    give(write, HandOver(Settings(data=Path("/data"), endpoints=many), None))
    assert write not in map(int, os.listdir("/dev/fd"))
