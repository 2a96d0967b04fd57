"""*Proxy health*: what the proxy adds, loses and keeps, and whether the servers behind it can be believed."""

from __future__ import annotations

from dashboards import house, links, tables, variables
from dashboards.annotations import every_annotation
from dashboards.house import GREEN, NO_HEALTH, RED, UNWANTED, bars, lines, number
from dashboards.page import Page, Section, band, section
from dashboards.signals import health, stack, times

_QUANTILES = (0.5, 0.95, 0.99)
_UP = {1: ("up", GREEN), 0: ("down", RED)}
_NO_COLLECTOR = "Nothing scraped from the Collector"
_NO_SERVERS = "Nothing scraped from Prometheus, Loki or Alertmanager"


def page() -> Page:
    """The dashboard."""
    return Page(
        uid=links.HEALTH,
        title="Proxy health",
        description="What the proxy adds to requests, what it lost, how its ledger does, and how the stack is.",
        sections=(_verdict(), _delay(), _delivery(), _ledger(), _stack()),
        variables=variables.shared(),
        annotations=every_annotation(),
    )


def _verdict() -> Section:
    targets = number(
        "Targets", "Servers that Prometheus can scrape. Down: start it, or see its log.", stack.UP, empty=_NO_SERVERS
    )
    exporters = number(
        "Deliveries", "Whether the last delivery of each signal succeeded.", health.EXPORTERS_UP, empty=NO_HEALTH
    )
    lost = number(
        "Lost",
        "What was not recorded or could not be delivered for good, in this time range. Below: by reason.",
        health.DROPPED,
        steps=UNWANTED,
        empty=NO_HEALTH,
    )
    return section(
        "Is the monitoring lossy?",
        band(
            5,
            house.named(targets, _UP),
            house.named(exporters, _UP),
            lost,
            number(
                "Folded Series",
                "Series that hold what went beyond the limit of an instrument. Above 0 some labels are not told apart.",
                health.FOLDED_SERIES,
                steps=UNWANTED,
                empty=house.NO_METRICS,
            ),
            number("Open Requests", "Requests being relayed now.", health.OPEN, empty=NO_HEALTH),
            widths=(8, 6, 4, 3, 3),
        ),
    )


def _delay() -> Section:
    return section(
        "What the proxy adds",
        band(
            8,
            lines(
                "Overhead (p50/p95/p99)",
                "Time added before the request left and before the first byte went on. If it rises, look right first.",
                *map(times.overhead, _QUANTILES),
            ),
            house.heat(
                "Overhead of All Requests",
                "How many requests had how much overhead; a second band is a group of requests treated otherwise.",
                times.OVERHEAD_BUCKETS,
            ),
            lines(
                "Stalls of the Event Loop (p50/p95/p99)",
                "How late the relay's loop came back to work. A rise: something blocks it, or the machine is busy.",
                *map(health.loop_stall, _QUANTILES),
                empty=NO_HEALTH,
            ),
        ),
    )


def _delivery() -> Section:
    return section(
        "Delivery",
        band(
            8,
            lines(
                "Export Lag",
                "Age of the oldest record not yet delivered. It grows while the Collector is away and falls again.",
                health.EXPORT_LAG,
                empty=NO_HEALTH,
            ),
            lines(
                "Failed Deliveries",
                "Failed deliveries per minute by signal; they are tried again.",
                health.EXPORT_FAILURES,
                empty=NO_HEALTH,
            ),
            bars(
                "Lost by Reason",
                "Per minute: what was not recorded, and what could not be delivered for good, by reason. disk_full and"
                " queue_full: give the ledger room; export_rejected: see Dead Letters.",
                health.DROPPED_BY_REASON,
                empty=NO_HEALTH,
            ),
            house.rows(
                "Dead Letters",
                "Records that were given up since the ledger began: refused for good, too old, or unreadable. Once the"
                " cause is gone, send them again with `anthropic-proxy telemetry rewind`.",
                health.DEAD_LETTERS,
                empty=NO_HEALTH,
            ).sort_by([tables.most_first(health.DEAD_LETTERS.legend)]),
        ),
    )


def _ledger() -> Section:
    return section(
        "Ledger",
        band(
            8,
            lines(
                "Ledger and Its Disk",
                "Size of the ledger's files and free space beside them. Without space bodies are dropped, then requests"
                " go unrecorded: shorten the retention or give it a bigger disk.",
                *(health.LEDGER_SIZE, health.LEDGER_FREE),
                empty=NO_HEALTH,
            ),
            lines(
                "Commits (p50/p95/p99)",
                "Time of a group commit of the recorder. Slow commits delay records, never requests.",
                *map(health.commit, _QUANTILES),
                empty=NO_HEALTH,
            ),
            number(
                "Unreadable Bodies",
                "Bodies that gave no facts in this time range; they are kept as they came.",
                health.READ_ERRORS,
                steps=UNWANTED,
                empty=NO_HEALTH,
            ),
            number(
                "Wrong Tokens",
                "Wrong tokens and sign-in codes for the inspector. Many: a program has an old one, or someone guesses.",
                health.AUTH_FAILURES,
                empty=NO_HEALTH,
            ),
            number(
                "Waited for Records",
                "Requests that waited because records are made more slowly than requests come. Many: add workers.",
                health.PACED,
                empty=NO_HEALTH,
            ),
            widths=(9, 6, 3, 3, 3),
        ),
    )


def _stack() -> Section:
    return section(
        "Collector, Prometheus, Loki",
        band(
            8,
            lines(
                "Collector Queues",
                "How full the queues on disk are. They fill while a server is away; when full, the proxy keeps more.",
                stack.QUEUE,
                empty=_NO_COLLECTOR,
            )
            .min(0)
            .max(1),
            lines(
                "Collector Receives",
                "What the Collector took per second.",
                *stack.RECEIVED,
                empty=_NO_COLLECTOR,
            ),
            lines(
                "Collector Refuses and Fails",
                "What the Collector refused (the proxy sends it again) and what it lost on the way on.",
                *(*stack.REFUSED, *stack.NOT_DELIVERED),
                empty=_NO_COLLECTOR,
            ),
        ),
        band(
            8,
            lines(
                "Samples Refused by the Servers",
                "Log lines per minute that Loki discarded, and samples too old for Prometheus. Both are lost.",
                *(stack.DISCARDED, stack.TOO_OLD),
                empty=_NO_SERVERS,
            ),
            number(
                "Rules and Notifications That Failed",
                "Evaluations of rules that failed and notifications that did not go out, in this time range.",
                *(stack.RULE_FAILURES, stack.LOG_RULE_FAILURES, stack.NOTIFICATION_FAILURES),
                steps=UNWANTED,
                empty=_NO_SERVERS,
            ),
            lines(
                "Load of the Rules",
                "Time that the slowest group of rules takes, as a share of its interval. Near 1 alerts come late.",
                *(stack.RULE_LOAD, stack.LOG_RULE_LOAD),
                empty=_NO_SERVERS,
            ),
            number("Collector Memory", "Memory of the Collector.", stack.COLLECTOR_MEMORY, empty=_NO_COLLECTOR),
            number(
                "Series",
                "Series that Prometheus holds; docs/metrics.md has the most the proxy makes.",
                stack.SERIES,
                empty=_NO_SERVERS,
            ),
            widths=(8, 5, 5, 3, 3),
        ),
    )
