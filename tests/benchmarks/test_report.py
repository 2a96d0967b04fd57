"""What the tables of the benchmark say, from made-up visits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks import report
from benchmarks.measure import Run, Visit
from benchmarks.native import Seen
from benchmarks.peers import PRODUCT
from benchmarks.workloads import workloads


def visit(cpu_us: dict[str, float], *, failed: str = "", load_share: float = 0.3) -> Visit:
    quantiles = {"count": 10, "p50": 400, "p90": 600, "p99": 900, "max": 1_000}
    seen = Seen(90, 0, 1 if failed else 0, failed, 2.0, 0.1, quantiles, quantiles, {}, {})
    return Visit(cpu_us, seen, {"relay": 51.0}, load_share, 0.5)


def run(folder: Path, *, workload: str = "W1", **visits: list[Visit]) -> Run:
    names = {"nginx": "nginx", "ours": PRODUCT, "litellm": "LiteLLM", "direct": "direct"}
    chosen = [each for each in workloads(folder) if each.name == workload]
    return Run({(workload, names[key]): found for key, found in visits.items()}, {}, chosen)


def test_ratios_are_medians_of_the_same_round(tmp_path: Path) -> None:
    ours = [visit({"relay": 100.0, "observer": 60.0}), visit({"relay": 300.0}), visit({"relay": 120.0})]
    nginx = [visit({"worker": cpu}) for cpu in (10.0, 100.0, 10.0)]
    measured = run(tmp_path, ours=ours, nginx=nginx)
    assert report.ratio(measured, "W1", PRODUCT, report.relay_cpu) == 10.0
    assert report.ratio(measured, "W1", PRODUCT, report.all_cpu) == 12.0


def test_a_peer_that_failed_shows_its_failure_instead_of_numbers(tmp_path: Path) -> None:
    broken = [visit({"server": 5.0}, failed="answered HTTP/1.1 500")]
    measured = run(tmp_path, nginx=[visit({"worker": 10.0})], litellm=broken)
    assert "| failed: answered HTTP/1.1 500 |  |" in report.workload(measured, measured.workloads[0])
    assert report.ratio(measured, "W1", "LiteLLM", report.all_cpu) is None


def test_a_load_that_was_busier_than_the_peer_shows_neither_its_times_nor_its_rate(tmp_path: Path) -> None:
    bound, free = visit({"worker": 10.0}, load_share=0.97), visit({"worker": 10.0})
    measured = run(tmp_path, nginx=[bound, bound])
    assert "| nginx | 10.0 | 1.0 |" + " the load's |" * 5 in report.workload(measured, measured.workloads[0])
    measured = run(tmp_path, nginx=[free, bound])
    assert "the load's" not in report.workload(measured, measured.workloads[0])


def test_a_time_that_the_load_decided_is_no_figure_of_a_target(tmp_path: Path) -> None:
    measured = run(tmp_path, ours=[visit({"relay": 100.0}, load_share=0.97)])
    assert "| W1 p99 at saturation | ≤ 30 ms | – | not measured |" in report.targets(measured)


def test_targets_are_kept_missed_or_not_measured(tmp_path: Path) -> None:
    measured = run(tmp_path, ours=[visit({"relay": 170.0, "observer": 1.0})], nginx=[visit({"worker": 10.0})])
    table = report.targets(measured)
    assert "| W1 relay CPU, everything on | ≤ 16 × | 17.0 × | **missed** |" in table
    assert "| W1 with the observer | ≤ 30 × | 17.1 × | kept |" in table
    assert "| W2 relay CPU, bare | ≤ 5 × | – | not measured |" in table


def test_what_is_measured_once_stands_among_the_targets(tmp_path: Path) -> None:
    once = {"observer_per_s": 1_999.0, "version_s": 0.081, "ready_s": 1.5, "held_back": 1.0}
    table = report.targets(replace(run(tmp_path), once=once))
    assert "| events held back until the next one, of 1,000 | ≤ 0 | 1 | **missed** |" in table
    assert "| observer, all signals, exchanges/s | ≥ 2,000 | 1,999 | **missed** |" in table
    assert "| `--version` | ≤ 0.3 s | 0.08 s | kept |" in table
    assert "| ready after the start | ≤ 1.5 s | 1.50 s | kept |" in table


def test_a_peer_that_is_asked_for_fewer_streams_says_how_many(tmp_path: Path) -> None:
    paced = run(tmp_path, workload="W4", litellm=[visit({"server": 10.0})])
    assert "| LiteLLM (10 streams only) | 10.0 |" in report.workload(paced, paced.workloads[0])
    calls = run(tmp_path, litellm=[visit({"server": 10.0})])
    assert "| LiteLLM (5% of the requests) | 10.0 |" in report.workload(calls, calls.workloads[0])
