"""The SQLite ledger: schema, recorder, read queries, bodies, retention."""
