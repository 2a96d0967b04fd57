from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.commands import command


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed_for_each_shell(tmp_path: Path, shell: str) -> None:
    done = command(tmp_path, "completion", shell)
    assert (done.code, done.err) == (0, "")
    assert f"_ANTHROPIC_PROXY_COMPLETE={shell}_complete" in done.out


def test_the_script_is_valid_bash(tmp_path: Path) -> None:
    script = command(tmp_path, "completion", "bash").out
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_commands_and_options_are_completed(tmp_path: Path) -> None:
    def completed(line: str) -> set[str]:
        words = line.split(" ")
        env = {
            "_ANTHROPIC_PROXY_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        }
        return {found.partition(",")[2] for found in command(tmp_path, env=env).out.split()}

    assert {"serve", "demo", "doctor"} <= completed("anthropic-proxy ")
    assert completed("anthropic-proxy ver") == {"verify"}
    assert {"--config", "--data", "--listen"} <= completed("anthropic-proxy serve --")
