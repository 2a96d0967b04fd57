"""The fault suite: one test or more for each row of `matrix.toml`, against the real product."""
