"""Tests of single parts of the server; what clients do to it stands in `tests/faults`."""
