"""Where the built servers are kept: outside the checkout, so that clones and clean-ups share them."""

from __future__ import annotations

import os
from pathlib import Path

from tests.servers.recipes import RECIPES, Recipe


def cache_folder() -> Path:
    """The folder `servers` in `$ANTHROPIC_PROXY_CACHE`, else in the user's cache folder."""
    chosen = os.environ.get("ANTHROPIC_PROXY_CACHE")
    if chosen:
        return Path(chosen).expanduser() / "servers"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "anthropic-proxy" / "servers"


def recipe(name: str) -> Recipe:
    """The recipe of that name; KeyError if there is none."""
    return {recipe.name: recipe for recipe in RECIPES}[name]


def is_built(recipe: Recipe, cache: Path) -> bool:
    """Whether every program of the recipe is there; folders are renamed into place whole, never half filled."""
    return all((cache / recipe.folder / program).is_file() for program in recipe.programs)


def program(server: str, name: str | None = None) -> Path:
    """Path of a built program (the server itself unless named).

    Raises FileNotFoundError, saying what to run, if it was not built.
    """
    chosen = recipe(server)
    path = cache_folder() / chosen.folder / (name or chosen.programs[0])
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `python -m tests.servers` once (or `make test-stack`)")
    return path
