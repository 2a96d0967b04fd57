"""The form of a process's own lines where programs read them: one JSON object a line, named as in the logs."""

from __future__ import annotations

import time

from pythonjsonlogger.json import JsonFormatter


class JsonLines(JsonFormatter):
    """`time` (RFC 3339, UTC, milliseconds), `level`, `logger`, `msg`, then whatever else a record has been given."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "message": "msg"},
        )
