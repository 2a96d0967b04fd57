"""Delivery of telemetry by OTLP."""
