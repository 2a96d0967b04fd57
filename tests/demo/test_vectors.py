"""Loading recorded exchanges."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.demo.vectors import Vector, load_vectors
from tests.demo.conftest import VECTORS


def test_all_recordings_are_loaded_by_name() -> None:
    loaded = load_vectors(VECTORS)
    assert len(loaded) == 11
    assert loaded["anthropic_429_unified"].status == 429
    assert loaded["anthropic_stream_gzip"].body.startswith(b"\x1f\x8b")


def test_lines_keep_order_and_repetition(tmp_path: Path) -> None:
    recorded = {"status": 201, "headers": [["b", "1"], ["a", "2"], ["b", "3"]], "body": "ü"}
    (tmp_path / "one.json").write_text(json.dumps(recorded))
    assert load_vectors(tmp_path) == {"one": Vector(201, (("b", "1"), ("a", "2"), ("b", "3")), "ü".encode())}


def test_broken_recording_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text("{}")
    with pytest.raises(KeyError):
        load_vectors(tmp_path)
