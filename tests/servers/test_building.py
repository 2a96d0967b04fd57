"""Builds are whole or absent, and say in one sentence why they failed. The recipes here need no Go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.building import BuildError, build, remove_unfinished
from tests.servers.cache import cache_folder, is_built
from tests.servers.recipes import RECIPES, Recipe

_ROOT = Path(__file__).resolve().parents[2]


def _recipe(script: str) -> Recipe:
    return Recipe(
        name="example",
        version="1.2.3",
        image="example:1.2.3",
        programs=("server", "tool"),
        in_image=("/bin/server", "/bin/tool"),
        files=(("source", "the source\n"),),
        commands=(("sh", "-c", "mkdir out && cp source out/server"), ("sh", "-c", script)),
        cold_seconds=1,
    )


def test_finished_build_holds_the_programs_and_nothing_else(tmp_path: Path) -> None:
    recipe = _recipe("cp source out/tool && mkdir out/generated && touch out/main.go")
    build(recipe, tmp_path, lambda seconds: None)
    assert is_built(recipe, tmp_path)
    assert sorted(path.name for path in (tmp_path / recipe.folder).iterdir()) == ["server", "tool"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [recipe.folder, f"{recipe.folder}.log"]


def test_failed_build_shows_the_end_of_the_output_and_is_not_taken_for_finished(tmp_path: Path) -> None:
    recipe = _recipe("echo it does not compile; exit 3")
    with pytest.raises(BuildError, match=r"example 1\.2\.3 could not be built[\s\S]+it does not compile"):
        build(recipe, tmp_path, lambda seconds: None)
    assert not is_built(recipe, tmp_path)


def test_leftovers_of_an_interrupted_build_are_removed(tmp_path: Path) -> None:
    with pytest.raises(BuildError):
        build(_recipe("exit 1"), tmp_path, lambda seconds: None)
    remove_unfinished(tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".log"]


def test_another_recipe_gets_another_folder() -> None:
    assert _recipe("cp source out/tool").folder != _recipe("ln -s server out/tool").folder
    assert len({recipe.folder for recipe in RECIPES}) == len(RECIPES)


def test_a_cache_named_from_here_is_found_from_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_PROXY_CACHE", "some cache")
    assert cache_folder() == Path.cwd() / "some cache" / "servers"


@pytest.mark.parametrize(
    ("version", "complaint"),
    [
        (None, "`go` is not installed"),
        ("go1.19.8", "`go` is too old (go1.19.8)"),
        ("", "`go` is too old (it says nothing)"),
    ],
)
def test_missing_or_old_go_is_one_sentence(tmp_path: Path, version: str | None, complaint: str) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    if version is not None:
        (programs / "go").write_text(f"#!/bin/sh\necho {version}\n")
        (programs / "go").chmod(0o755)
    environment = {**os.environ, "PATH": str(programs), "ANTHROPIC_PROXY_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "tests.servers"]
    ran = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith(complaint)
    assert ran.stderr.count("\n") == 1
    assert ran.stdout == ""


def test_a_cache_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    environment = {**os.environ, "ANTHROPIC_PROXY_CACHE": str(tmp_path / "file")}
    command = [sys.executable, "-m", "tests.servers"]
    ran = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "name another folder by ANTHROPIC_PROXY_CACHE" in ran.stderr
