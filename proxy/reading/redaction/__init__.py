"""Redaction: what is secret in a text, a header or a body, and what stands in its place."""
