"""Anthropic's dialect: answers to the operation `messages`."""
