"""The pictures of a benchmark, from made-up visits."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from benchmarks import plots
from tests.benchmarks.test_report import run, visit


def test_a_workload_that_every_server_failed_has_no_panel(tmp_path: Path) -> None:
    plots.write(run(tmp_path, nginx=[visit({"worker": 5.0}, failed="answered HTTP/1.1 500")]), tmp_path)
    for name in ("performance-cpu.svg", "performance-delay.svg"):
        assert "rect" not in (tmp_path / name).read_text("utf-8")
        ElementTree.parse(tmp_path / name)


def test_every_server_that_did_not_fail_has_its_bar(tmp_path: Path) -> None:
    measured = run(tmp_path, nginx=[visit({"worker": 10.0})], ours=[visit({"relay": 200.0, "observer": 50.0})])
    plots.write(measured, tmp_path)
    drawn = (tmp_path / "performance-cpu.svg").read_text("utf-8")
    assert drawn.count("<rect") == 2
    assert ">W1: 1 kB call, µs per call<" in drawn
    assert ">250<" in drawn
