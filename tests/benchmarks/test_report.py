"""What the tables of the benchmark say, from made-up visits."""

from __future__ import annotations

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


def run(folder: Path, **visits: list[Visit]) -> Run:
    names = {"nginx": "nginx", "ours": PRODUCT, "litellm": "LiteLLM", "direct": "direct"}
    return Run({("W1", names[key]): found for key, found in visits.items()}, {}, workloads(folder)[:1])


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
