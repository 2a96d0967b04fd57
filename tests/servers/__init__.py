"""Brings the real servers that `tests/stack` runs against (`python -m tests.servers`)."""
