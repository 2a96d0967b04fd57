"""Whole processes: drained, told twice, killed under load, left alone."""
