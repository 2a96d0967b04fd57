"""Reads the ledger behind cursors and turns records into costs, metrics, logs and spans."""
