from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.cli.console import banner
from proxy.settings.shape import Log
from proxy.supervisor.started import Started

STARTED = Started(
    ("http://127.0.0.1:8080", "http://127.0.0.1:8080/a"), "http://127.0.0.1:8081/sign-in?code=x", Path("/d")
)


def test_people_are_shown_what_to_copy() -> None:
    assert banner(STARTED, Log(format="text")) == (
        "\n"
        "  export ANTHROPIC_BASE_URL=http://127.0.0.1:8080\n"
        "  or http://127.0.0.1:8080/a\n"
        "\n"
        "  inspector  http://127.0.0.1:8081/sign-in?code=x\n"
        "  data       /d\n"
    )


def test_programs_are_given_one_object() -> None:
    assert json.loads(banner(STARTED, Log(format="json"))) == {
        "msg": "started",
        "base_urls": ["http://127.0.0.1:8080", "http://127.0.0.1:8080/a"],
        "inspector": "http://127.0.0.1:8081/sign-in?code=x",
        "data": "/d",
    }


def test_a_process_without_inspector_shows_no_link() -> None:
    assert "inspector" not in banner(Started((), None, Path("/d")), Log(format="text"))


@pytest.mark.parametrize(
    ("format_", "pattern"),
    [
        ("text", r"\d\d:\d\d:\d\d WARNING a line\n"),
        ("json", r'\{"time": "[^"]+", "level": "WARNING", "logger": "x", "msg": "a line"\}\n'),
    ],
)
def test_log_lines_go_to_standard_error_in_the_chosen_form(format_: str, pattern: str) -> None:
    program = (
        "import logging\nfrom proxy.cli.console import set_up_logging\nfrom proxy.settings.shape import Log\n"
        f"set_up_logging(Log(format={format_!r}))\n"
        "logging.getLogger('x').warning('a line')\nlogging.getLogger('httpx').info('noise')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert re.fullmatch(pattern, done.stderr)
