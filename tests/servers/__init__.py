"""Builds the real Prometheus, Loki and Collector that `tests/stack` runs against (`python -m tests.servers`)."""
