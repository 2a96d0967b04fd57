"""Lines on the console: log lines of every process, and what a person needs to know at the start."""

from __future__ import annotations

import json
import logging
import sys

from proxy.settings.shape import Log
from proxy.supervisor.started import Started

TALKATIVE = ("httpx", "httpcore", "urllib3", "uvicorn", "uvicorn.error")
"""Libraries that log what is in the request log anyway, or what we say in our own words."""

BOLD, PLAIN = "\x1b[1m", "\x1b[0m"


def set_up_logging(log: Log) -> None:
    """Sends this process's log lines to standard error: text on a terminal, otherwise JSON."""
    lines = logging.StreamHandler()
    if log.is_text(sys.stderr):
        lines.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    else:
        from proxy.lines import JsonLines

        lines.setFormatter(JsonLines())
    logging.basicConfig(handlers=[lines], level=logging.INFO)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)


def banner(started: Started, log: Log) -> str:
    """What to copy and where to look; one JSON object where programs read it."""
    if not log.is_text(sys.stdout):
        known = {"msg": "started", "base_urls": started.base_urls, "inspector": started.sign_in}
        return json.dumps({**known, "data": str(started.data)})
    bold, plain = (BOLD, PLAIN) if log.is_colored(sys.stdout) else ("", "")
    lines = [""]
    for number, url in enumerate(started.base_urls):
        lines.append(f"  {bold}export ANTHROPIC_BASE_URL={url}{plain}" if number == 0 else f"  or {url}")
    if started.sign_in is not None:
        lines += ["", f"  inspector  {bold}{started.sign_in}{plain}"]
    return "\n".join([*lines, f"  data       {started.data}", ""])
