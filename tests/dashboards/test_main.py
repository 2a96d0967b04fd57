from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dashboards.__main__ import FOLDER, main

ROOT = Path(__file__).parents[2]


def test_the_committed_files_are_what_the_code_makes_and_making_them_warns_of_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "dashboards", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_check_names_each_file_that_is_changed_missing_or_too_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], tmp_path) == 0
    first, second, *_ = sorted(tmp_path.iterdir())
    first.write_text(first.read_text("utf-8").replace("Requests", "Questions"), "utf-8")
    second.unlink()
    (tmp_path / "stranger.json").write_text("{}", "utf-8")
    assert main(["--check"], tmp_path) == 1
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == [
        f"grafana/dashboards/{name}" for name in sorted([first.name, second.name, "stranger.json"])
    ]


def test_writing_twice_gives_the_same_bytes_and_removes_what_is_no_dashboard_any_more(tmp_path: Path) -> None:
    (tmp_path / "stranger.json").write_text("{}", "utf-8")
    for _ in range(2):
        assert main([], tmp_path) == 0
        written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert written == {path.name: path.read_bytes() for path in FOLDER.glob("*.json")}


def test_an_unknown_argument_writes_nothing(tmp_path: Path) -> None:
    assert main(["--chek"], tmp_path) == 2
    assert list(tmp_path.iterdir()) == []
