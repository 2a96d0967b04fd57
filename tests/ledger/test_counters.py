"""Counts in a mapped file."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from proxy.ledger import counters
from proxy.ledger.counters import BUCKETS_MS, Counters, read_all
from proxy.ledger.folder import Folder

_COUNTING = """
import os, sys
from pathlib import Path
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder
counted = Counters.create(Folder(Path(sys.argv[1])), "other")
counted.add("disk_full", 5)
counted.add("requests_open", 2)
counted.observe("commit_ms", 0.3)
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_counted_is_still_there(folder: Folder) -> None:
    subprocess.run([sys.executable, "-c", _COUNTING, folder.path], check=False)
    counted = read_all(folder)["other"]
    assert {name: value for name, value in counted.values.items() if value} == {"disk_full": 5, "requests_open": 2}
    assert counted.histograms["commit_ms"].counts == (0, 1, *[0] * 9)


def test_others_see_what_is_counted_at_once(folder: Folder) -> None:
    mine = Counters.create(folder, "p1")
    mine.add("poison")
    mine.add("requests_open", 3)
    mine.add("requests_open", -1)
    assert read_all(folder) == {"p1": mine.read()}
    assert (mine.read().values["poison"], mine.read().values["requests_open"]) == (1, 2)
    mine.close()


def test_observation_falls_into_the_bucket_whose_bound_it_does_not_exceed(folder: Folder) -> None:
    mine = Counters.create(folder, "p1")
    for bound in BUCKETS_MS:
        mine.observe("loop_stall_ms", bound)
    mine.observe("loop_stall_ms", 10_000)
    histogram = mine.read().histograms["loop_stall_ms"]
    assert histogram.counts == (1,) * (len(BUCKETS_MS) + 1)
    assert histogram.sum_ms == sum(BUCKETS_MS) + 10_000
    mine.close()


def test_threads_lose_no_count(folder: Folder) -> None:
    mine = Counters.create(folder, "p1")

    def count(_: int) -> None:
        for _ in range(2_000):
            mine.add("poison")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    assert mine.read().values["poison"] == 8_000
    mine.close()


def test_unknown_name_is_an_error(folder: Folder) -> None:
    mine = Counters.create(folder, "p1")
    with pytest.raises(KeyError):
        mine.add("nothing")
    with pytest.raises(KeyError):
        mine.observe("nothing", 1)
    mine.close()


def test_counting_after_the_end_does_no_harm(folder: Folder) -> None:
    mine = Counters.create(folder, "p1")
    mine.close()
    mine.add("poison")
    mine.observe("commit_ms", 1)


def test_file_is_allocated_and_can_be_removed(folder: Folder) -> None:
    Counters.create(folder, "p1").close()
    status = folder.counter("p1").stat()
    assert status.st_blocks * 512 >= status.st_size
    counters.remove(folder, "p1")
    assert read_all(folder) == {}


def test_file_that_is_none_of_ours_is_left_out(folder: Folder) -> None:
    folder.counter("odd").write_bytes(b"apxyct01 cut")
    assert read_all(folder) == {}
