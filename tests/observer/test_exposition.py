"""What a scrape gets: whole text, valid in both formats."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

from proxy.names import metrics
from proxy.names.metrics import INSTRUMENTS, Instrument, Kind
from proxy.observer.exposition import exposition, label_name, prometheus_name
from proxy.observer.table import Exemplar, Series, Table
from tests.observer.samples import exchange
from tests.observer.test_totals import counted

OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def small() -> list[Series]:
    table = Table()
    draft = table.draft(1)
    draft.add(metrics.UPSTREAM_ERRORS, 3, 'odd "type"\n', "429", "default")
    draft.observe(metrics.LEDGER_COMMIT, [0.5], origins=[Exemplar(1, 1, 1)])
    draft.observe(metrics.LEDGER_COMMIT, [400.0])
    table.commit(draft)
    return table.snapshot()


def test_the_whole_text() -> None:
    body, content_type = exposition(small(), [(metrics.USAGE_UTILIZATION, ("5h",), 37.5)], None)
    assert content_type.startswith("text/plain")
    assert body.decode() == "\n".join(
        [
            "# HELP proxy_upstream_errors_total Failed attempts and errors inside streams",
            "# TYPE proxy_upstream_errors_total counter",
            'proxy_upstream_errors_total{endpoint="default",error_type="odd \\"type\\"\\n",status_code="429"} 3.0',
            "# HELP proxy_usage_utilization Percent of the main account's rate-limit window used",
            "# TYPE proxy_usage_utilization gauge",
            'proxy_usage_utilization{window="5h"} 37.5',
            "# HELP proxy_ledger_commit_ms_milliseconds Time of a group commit of the recorder",
            "# TYPE proxy_ledger_commit_ms_milliseconds histogram",
            'proxy_ledger_commit_ms_milliseconds_bucket{le="0.25"} 0.0',
            'proxy_ledger_commit_ms_milliseconds_bucket{le="0.5"} 1.0',
            'proxy_ledger_commit_ms_milliseconds_bucket{le="1.0"} 1.0',
            'proxy_ledger_commit_ms_milliseconds_bucket{le="2.0"} 1.0',
            'proxy_ledger_commit_ms_milliseconds_bucket{le="5.0"} 1.0',
            'proxy_ledger_commit_ms_milliseconds_bucket{le="10.0"} 1.0',
            'proxy_ledger_commit_ms_milliseconds_bucket{le="25.0"} 1.0',
            'proxy_ledger_commit_ms_milliseconds_bucket{le="50.0"} 1.0',
            'proxy_ledger_commit_ms_milliseconds_bucket{le="100.0"} 1.0',
            'proxy_ledger_commit_ms_milliseconds_bucket{le="250.0"} 1.0',
            'proxy_ledger_commit_ms_milliseconds_bucket{le="+Inf"} 2.0',
            "proxy_ledger_commit_ms_milliseconds_count 2.0",
            "proxy_ledger_commit_ms_milliseconds_sum 400.5",
            "",
        ]
    )


def test_both_formats_are_valid_and_say_the_same() -> None:
    series = counted(exchange()).snapshot()
    text = exposition(series, [], "text/plain")[0].decode()
    body, content_type = exposition(series, [], OPEN_METRICS)
    assert content_type.startswith("application/openmetrics-text")
    in_text = {(one.name, *one.labels.items()): one.value for each in plain_text(text) for one in each.samples}
    families = open_metrics(body.decode())  # type: ignore[no-untyped-call]
    in_open = {(one.name, *one.labels.items()): one.value for each in families for one in each.samples}
    assert in_open == in_text
    assert ("gen_ai_client_operation_duration_seconds_sum") in {key[0] for key in in_text}
    assert "# {" not in body.decode()


def test_label_names_are_those_of_the_translation() -> None:
    assert label_name("gen_ai.operation.name") == "gen_ai_operation_name"
    assert label_name("server.port") == "server_port"
    assert label_name("ttl") == "ttl"


@pytest.mark.parametrize(
    ("name", "kind", "unit", "expected"),
    [
        ("a.b_seconds", Kind.GAUGE, "s", "a_b_seconds"),
        ("a.total.b", Kind.COUNTER, "", "a_b_total"),
        ("a.b", Kind.COUNTER, "By", "a_b_bytes_total"),
        ("a.b", Kind.HISTOGRAM, "By/s", "a_b_bytes_per_second"),
        ("a.b", Kind.GAUGE, "{request}", "a_b"),
    ],
)
def test_units_become_suffixes_once(name: str, kind: Kind, unit: str, expected: str) -> None:
    assert prometheus_name(Instrument(name, kind, unit, "")) == expected


def test_no_two_instruments_share_a_name() -> None:
    assert len({prometheus_name(one) for one in INSTRUMENTS}) == len(INSTRUMENTS)
