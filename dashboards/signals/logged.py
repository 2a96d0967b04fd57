"""Requests one by one, and sums of them by what metrics do not know: keys, sessions, workflows, clients."""

from __future__ import annotations

from dashboards.signals.signal import COMPLETED, UPSTREAM_ERROR, Signal, Source

NARROWED = '| outcome=~"$outcome" | status=~"$status" | session_id=~`${session:regex}.*` |= `$search`'
"""Filters of the page that lists requests. A session may be given by its beginning."""
FOUND = f"{COMPLETED} {NARROWED}"
FOUND_ERRORS = f"{UPSTREAM_ERROR} {NARROWED}"

COLUMN = "column"
"""Label that names the column of a table in which a value belongs."""
_CALL = "request_id, model, endpoint, key, session_id, outcome, inspector_url, trace_id"


def listed(lines: str) -> Signal:
    """Log lines as they are."""
    return Signal(lines, "string", source=Source.LOKI)


def count(lines: str, legend: str) -> Signal:
    """How many lines there are in the time range."""
    return Signal(f"sum({_counted(lines)})", "short", legend, Source.LOKI)


def total(lines: str, field: str, unit: str, legend: str) -> Signal:
    """Sum of a field in the time range."""
    return Signal(f"sum({_summed(lines, field)})", unit, legend, Source.LOKI)


def share(part: str, whole: str, legend: str) -> Signal:
    """How many lines are of a kind, 0..1; the part must be some of the whole."""
    counted = f"sum({_counted(whole)})"
    return Signal(f"(sum({_counted(part)}) or {counted} * 0) / {counted}", "percentunit", legend, Source.LOKI)


def most(lines: str, field: str) -> Signal:
    """The ten values of a field that most lines have; lines without the field count as `(none)`."""
    counted = f"sum by ({field}) ({_counted(f'{lines} {_named(field)}')})"
    return Signal(f"topk(10, {counted})", "short", f"{{{{{field}}}}}", Source.LOKI)


def dearest(lines: str, field: str) -> Signal:
    """The ten values of a field whose requests cost most."""
    cost = _summed(f"{lines} {_named(field)}", "cost_usd")
    return Signal(f"topk(10, sum by ({field}) ({cost}))", "currencyUSD", f"{{{{{field}}}}}", Source.LOKI)


def over_time(lines: str, field: str) -> Signal:
    """Lines in each interval, by a field."""
    return Signal(f"sum by ({field}) (count_over_time({lines} [$__auto]))", "short", f"{{{{{field}}}}}", Source.LOKI)


def quantile(lines: str, field: str, unit: str, part: float) -> Signal:
    """The value of a field below which `part` (0..1) of the lines of each interval lie."""
    values = f'{lines} | unwrap {field} | __error__=""'
    return Signal(f"quantile_over_time({part}, {values} [$__auto]) by ()", unit, f"p{part * 100:.0f}", Source.LOKI)


def _counted(lines: str) -> str:
    return f"count_over_time({lines} [$__range])"


def _summed(lines: str, field: str) -> str:
    return f'sum_over_time({lines} | unwrap {field} | __error__="" [$__range])'


def _named(field: str) -> str:
    return f'| label_format {field}=`{{{{ default "(none)" .{field} }}}}`'
