"""Requests as CSV for spreadsheets, which must not take captured text for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from decimal import Decimal

from proxy.inspector.documents import JSON_FIELDS, PLAIN_FIELDS, TIMINGS, document, encoded
from proxy.ledger.queries import Listed

COLUMNS = tuple(dict.fromkeys(("request_id", "time", *PLAIN_FIELDS, "cost_usd", "price_version", *TIMINGS)))
MAX_CELL = 32_000
"""Characters that a spreadsheet takes in one cell."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_head() -> bytes:
    """The line with the names of the columns."""
    return _lines([COLUMNS])


def csv_rows(listed: Sequence[Listed]) -> bytes:
    """One line for each request; unknown is empty."""
    return _lines([_cells(each) for each in listed])


def _cells(listed: Listed) -> list[str]:
    values = document(listed)
    timings = values["timings"]
    assert isinstance(timings, dict)
    return [_cell(name, values.get(name, timings.get(name))) for name in COLUMNS]


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int | float):
        return str(value)
    text = encoded(value).decode() if name in JSON_FIELDS and not isinstance(value, str) else str(value)
    text = text.replace("\0", "")[:MAX_CELL]
    return f"'{text}" if text.startswith(_FORMULA) else text


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode("utf-8", "replace")
