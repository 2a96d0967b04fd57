"""Delivery of telemetry by OTLP: when, how, and what became of it."""
