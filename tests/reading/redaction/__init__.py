"""Redaction, searched and masked."""
