"""The tables of names: complete, unique, and units that give the names dashboards ask for."""

from __future__ import annotations

from dataclasses import fields as fields_of

import pytest

from proxy.exchange import Exchange, Usage
from proxy.names import attributes, metrics
from proxy.names.fields import ATTEMPT, COST_USD, FIELDS, INSPECTOR_URL
from proxy.names.metrics import Channel, Instrument, Kind
from proxy.observer.exposition import prometheus_name

CONSTANTS = {name: value for name, value in vars(metrics).items() if isinstance(value, Instrument)}


def test_every_instrument_is_in_the_table_once() -> None:
    assert sorted(one.name for one in metrics.INSTRUMENTS) == sorted(one.name for one in CONSTANTS.values())
    assert len({one.name for one in metrics.INSTRUMENTS}) == len(metrics.INSTRUMENTS)


@pytest.mark.parametrize("instrument", metrics.INSTRUMENTS, ids=lambda one: one.name)
def test_an_instrument_says_what_it_is(instrument: Instrument) -> None:
    assert instrument.description
    assert list(instrument.buckets) == sorted(set(instrument.buckets))
    assert bool(instrument.buckets) == (instrument.kind is Kind.HISTOGRAM)
    assert len(set(instrument.attributes)) == len(instrument.attributes)


def test_gauges_that_dashboards_ask_for_have_no_unit() -> None:
    """O-6: a unit would put `_percent` or `_seconds` behind the name."""
    sizes = (metrics.LEDGER_SIZE, metrics.LEDGER_FREE)
    gauges = [one for one in metrics.INSTRUMENTS if one.kind is Kind.GAUGE and one not in sizes]
    assert {one.unit for one in gauges} == {""}


def test_the_health_family_is_never_sent_by_otlp() -> None:
    assert {one.name for one in metrics.INSTRUMENTS if one.channel is Channel.HEALTH} == {
        "proxy.requests.open",
        "proxy.requests.paced",
        "proxy.ledger.size",
        "proxy.ledger.free",
        "proxy.ledger.set_aside",
        "proxy.ledger.commit_ms",
        "proxy.relay.loop_stall_ms",
        "proxy.dropped",
        "proxy.read.errors",
        "proxy.auth.failures",
        "proxy.export.lag_seconds",
        "proxy.export.failures",
        "proxy.exporter.up",
        "proxy.dead_letters",
    }


@pytest.mark.parametrize(
    ("instrument", "name"),
    [
        (metrics.REQUEST_COUNT, "proxy_request_count_total"),
        (metrics.REQUEST_DURATION, "proxy_request_duration_ms_milliseconds"),
        (metrics.REQUEST_BODY_SIZE, "proxy_request_body_size_bytes"),
        (metrics.OUTPUT_RATE, "proxy_output_rate_per_second"),
        (metrics.TOKENS_INPUT, "proxy_tokens_input_total"),
        (metrics.TOKENS_CACHE_CREATION, "proxy_tokens_cache_creation_total"),
        (metrics.COST, "proxy_cost_total"),
        (metrics.UPSTREAM_ERRORS, "proxy_upstream_errors_total"),
        (metrics.COOLDOWNS, "proxy_credential_cooldowns_total"),
        (metrics.USAGE_UTILIZATION, "proxy_usage_utilization"),
        (metrics.USAGE_RESETS_AT, "proxy_usage_resets_at"),
        (metrics.LEDGER_SIZE, "proxy_ledger_size_bytes"),
        (metrics.LOOP_STALL, "proxy_relay_loop_stall_ms_milliseconds"),
        (metrics.EXPORT_LAG, "proxy_export_lag_seconds"),
        (metrics.GENAI_TOKEN_USAGE, "gen_ai_client_token_usage"),
        (metrics.GENAI_DURATION, "gen_ai_client_operation_duration_seconds"),
    ],
)
def test_names_are_those_of_prometheus_translation(instrument: Instrument, name: str) -> None:
    """S4-27 … S4-29; measured on the OTLP endpoint of Prometheus 3.14."""
    assert prometheus_name(instrument) == name


def test_log_fields_are_fields_of_the_record() -> None:
    record = {each.name for each in (*fields_of(Exchange), *fields_of(Usage))}
    record |= {name for name, value in vars(Exchange).items() if isinstance(value, property)}
    record |= {"input_tokens_total", ATTEMPT, COST_USD, INSPECTOR_URL}
    assert {field.name for field in FIELDS} <= record
    assert len({field.name for field in FIELDS}) == len(FIELDS)
    assert all(field.description for field in FIELDS)


def test_upstream_error_records_carry_no_tokens() -> None:
    """O-9: sums over all lines would count them twice."""
    assert not [field.name for field in FIELDS if field.in_errors and ("token" in field.name or "cost" in field.name)]


def test_attributes_are_unique_and_linked_unless_they_are_ours() -> None:
    table = (*attributes.RESOURCE, *attributes.SPAN)
    assert len({each.name for each in table}) == len(table)
    for each in table:
        assert each.description
        assert each.link.startswith("https://") or each.name.startswith("proxy.")
