"""A self-hosted reverse proxy for the Claude API that records, measures and shows every call."""
