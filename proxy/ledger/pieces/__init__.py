"""Bodies in pieces: what a conversation repeats at every turn is stored once."""
