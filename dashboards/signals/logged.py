"""Requests one by one, and sums of them by what metrics do not know: keys, sessions, workflows, clients."""

from __future__ import annotations

from dashboards.signals.signal import COMPLETED, SELECTED_FIELDS, SERVICE, UPSTREAM_ERROR, Signal, Source

NONE = "(none)"
"""Shown where lines lack a field."""
NARROWED = (
    '| label_format status=`{{ default "none" .status }}`'
    ' | outcome=~"$outcome" | status=~"$status" | session_id=~`^${session:regex}.*` |= `$search`'
)
"""Filters of the page that lists requests. A session may be given by its beginning; no status is `none`."""
FOUND = f"{COMPLETED} {NARROWED}"
JUDGED = f'{FOUND} | outcome!~"client_disconnected|rejected" | status!~"4.."'
"""Those that tell how the service does, as metrics have it: a 4xx is the caller's own, and leaving is no failure."""
FAILED = f'{JUDGED} | outcome!="ok"'
BROKEN_OFF = f'{UPSTREAM_ERROR} {NARROWED} | outcome="error_in_stream"'
CUT_OFF = f'{FOUND} | outcome="truncated"'
FOUND_ERRORS = f"{UPSTREAM_ERROR} {NARROWED}"
LINES = f"{SERVICE} {SELECTED_FIELDS} {NARROWED}"
SLOW = f"{FOUND} | duration_ms >= $slower"
DEAR = f"{COMPLETED} | cost_usd >= $dearer"

COLUMN = "column"
"""Label that names the column of a table in which a value belongs."""


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
    counted = f"sum by ({field}) ({_counted(f'{lines} {named(field)}')})"
    return Signal(ten_largest(counted), "short", f"{{{{{field}}}}}", Source.LOKI)


def dearest(lines: str, field: str) -> Signal:
    """The ten values of a field whose requests cost most."""
    cost = _summed(f"{lines} {named(field)}", "cost_usd")
    return Signal(ten_largest(f"sum by ({field}) ({cost})"), "currencyUSD", f"{{{{{field}}}}}", Source.LOKI)


def over_time(lines: str, field: str) -> Signal:
    """Lines in each interval, by a field."""
    return Signal(f"sum by ({field}) (count_over_time({lines} [$__auto]))", "short", f"{{{{{field}}}}}", Source.LOKI)


def quantile(lines: str, field: str, unit: str, part: float) -> Signal:
    """The value of a field below which `part` (0..1) of the lines of each interval lie."""
    values = f'{lines} | unwrap {field} | __error__=""'
    return Signal(f"quantile_over_time({part}, {values} [$__auto]) by ()", unit, f"p{part * 100:.0f}", Source.LOKI)


def mean(lines: str, field: str, unit: str, legend: str) -> Signal:
    """Mean of a field in the time range."""
    return Signal(f"avg_over_time({_known(lines, field)} [$__range]) by ()", unit, legend, Source.LOKI)


def mean_over_time(lines: str, field: str, unit: str, by: str) -> Signal:
    """Mean of a field in each interval, by another."""
    values = _known(lines, field)
    return Signal(f"avg_over_time({values} [$__auto]) by ({by})", unit, f"{{{{{by}}}}}", Source.LOKI)


def _known(lines: str, field: str) -> str:
    # Where Loki divides a query, its mean counts lines without the field, too.
    return f'{lines} | {field}!="" | unwrap {field} | __error__=""'


def dearest_sessions(lines: str) -> tuple[Signal, ...]:
    """Columns of one table: the twenty sessions that cost most."""
    known = f'{lines} | session_id!=""'
    dearest = f"topk(20, {_by_session(_summed(known, 'cost_usd'))})"
    return (
        _column("Cost", "currencyUSD", dearest),
        *(
            _column(title, "short", f"{_by_session(values)} and on (session_id) {dearest}")
            for title, values in {
                "Requests": _counted(known),
                "Input": _summed(known, "input_tokens_total"),
                "of it from the cache": _summed(known, "cache_read_tokens"),
                "Output": _summed(known, "output_tokens"),
            }.items()
        ),
    )


def ten_largest(expr: str) -> str:
    """The largest first: Loki sorts by labels unless it is told."""
    return f"sort_desc(topk(10, {expr}))"


def named(field: str) -> str:
    """Part of a query: lines without the field have `(none)` in it."""
    return f'| label_format {field}=`{{{{ default "{NONE}" .{field} }}}}`'


def _column(title: str, unit: str, expr: str) -> Signal:
    return Signal(f'label_replace({expr}, "{COLUMN}", "{title}", "", "")', unit, title, Source.LOKI)


def _by_session(values: str) -> str:
    return f"sum by (session_id) ({values})"


def _counted(lines: str) -> str:
    return f"count_over_time({lines} [$__range])"


def _summed(lines: str, field: str) -> str:
    return f'sum_over_time({lines} | unwrap {field} | __error__="" [$__range])'
