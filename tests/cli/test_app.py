from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from proxy.cli.app import COMMANDS, app
from tests.cli.commands import HOME, Done, command


@pytest.mark.parametrize("arguments", [("--version",), ("config", "check"), ("completion", "zsh"), ("-h",)])
def test_small_commands_load_none_of_the_heavy_parts(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    heavy = {"uvicorn", "httptools", "opentelemetry", "jinja2", "httpx", "genai_prices", "starlette", "asyncio"}
    program = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('loaded', *sorted({heavy!r} & sys.modules.keys())))\n"
        "from proxy.cli import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HOME)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "loaded"


def test_the_version_is_the_projects(tmp_path: Path) -> None:
    assert command(tmp_path, "--version") == Done(0, "anthropic-proxy 0.1.0\n", "")


def test_every_command_is_listed_with_a_sentence() -> None:
    context = click.Context(app)
    for name in app.list_commands(context):
        found = app.get_command(context, name)
        assert found is not None
        assert found.name == name
        assert found.hidden or found.get_short_help_str(200).endswith((".", "(the default)."))
    assert set(COMMANDS) >= {"serve", "relay", "observe", "demo", "doctor", "export", "verify", "telemetry", "config"}


@pytest.mark.parametrize("group", [(), ("telemetry",), ("config",)])
def test_no_command_of_a_list_is_cut_short(tmp_path: Path, group: tuple[str, ...]) -> None:
    listed = command(tmp_path, *group, "--help").out.partition("Commands:")[2]
    assert listed
    assert "..." not in listed


def test_options_without_a_command_are_those_of_serve(tmp_path: Path) -> None:
    done = command(tmp_path, "--listen", "nowhere")
    assert done == Done(
        2, "", 'anthropic-proxy: --listen: relay.listen = "nowhere": expected HOST:PORT such as 127.0.0.1:8080\n'
    )


@pytest.mark.parametrize("arguments", [("serf",), ("serve", "--nope"), ("serve", "-p", "99999"), ("export", "extra")])
def test_wrong_usage_ends_with_2_and_no_traceback(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = command(tmp_path, *arguments)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err


def test_an_upstream_that_is_the_proxy_itself_is_one_sentence(tmp_path: Path) -> None:
    done = command(tmp_path, "--upstream", "http://localhost:8080")
    sentence = 'upstreams.anthropic.url = "http://localhost:8080" is this proxy itself; name the server behind it'
    assert done == Done(2, "", f"anthropic-proxy: --upstream: {sentence}\n")


def test_a_bind_for_other_machines_without_named_hosts_is_refused(tmp_path: Path) -> None:
    """H9"""
    done = command(tmp_path, "--inspector", "0.0.0.0:8081")
    assert (done.code, "inspector.allowed_hosts" in done.err, done.err.count("\n")) == (2, True, 1)
