"""Agent traffic while everything around it fails in random order, then the laws: `python -m tests.chaos`."""
