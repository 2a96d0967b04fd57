"""The real proxy in front of the real servers: what people look at is what the ledger has."""
