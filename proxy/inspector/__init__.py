"""Pages and JSON API over the ledger."""
