"""The commands. Each one imports what it needs when it runs, so that `--version` and completion answer at once."""

from __future__ import annotations


def main() -> None:
    """Runs the command line of this process and ends it: 0 done, 1 failed, 2 wrong usage or settings."""
    from proxy.cli.app import app

    app(prog_name="anthropic-proxy")
