"""Lines of a process for programs."""

from __future__ import annotations

import json
import logging

from proxy.lines import JsonLines


def test_a_line_is_one_object_with_the_time_in_utc() -> None:
    record = logging.LogRecord("proxy.calls", logging.WARNING, "", 0, "over\nthere", None, None)
    record.created, record.msecs = 1_795_000_000.25, 250.0
    record.__dict__["status"] = 200
    line = JsonLines().format(record)
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2026-11-18T11:06:40.250Z",
        "level": "WARNING",
        "logger": "proxy.calls",
        "msg": "over\nthere",
        "status": 200,
    }
