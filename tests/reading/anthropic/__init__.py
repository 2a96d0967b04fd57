"""Answers in Anthropic's dialect."""
