"""What the servers say of themselves on `/metrics`, read without Prometheus."""

from __future__ import annotations

import urllib.request

from tests.stack.running import Stack

_ANSWER_SECONDS = 10


def of_collector(stack: Stack, name: str) -> float:
    """The sum of all series of that name; 0 for none."""
    return _total(f"http://127.0.0.1:{stack.ports.collector_metrics}", name)


def of_loki(stack: Stack, name: str) -> float:
    """The same of Loki."""
    return _total(stack.loki, name)


def queued(stack: Stack, signal: str) -> float:
    """Bytes that wait in the collector's queue of a signal: logs, metrics or traces."""
    return _total(
        f"http://127.0.0.1:{stack.ports.collector_metrics}", "otelcol_exporter_queue_size", f'data_type="{signal}"'
    )


def _total(address: str, name: str, label: str = "") -> float:
    with urllib.request.urlopen(f"{address}/metrics", timeout=_ANSWER_SECONDS) as answer:
        lines = answer.read().decode().splitlines()
    found = [line for line in lines if line.startswith((f"{name} ", f"{name}{{")) and label in line]
    return sum(float(line.rpartition(" ")[2]) for line in found)
