"""Answers in OpenAI's dialect."""
