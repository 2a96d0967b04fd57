"""Where the built servers are kept: outside the checkout, so that clones and clean-ups share them."""

from __future__ import annotations

import os
from pathlib import Path

from tests.servers.recipes import RECIPES, Recipe


def cache_folder() -> Path:
    """The folder `servers` in `$ANTHROPIC_PROXY_CACHE`, else in the user's cache folder."""
    chosen = os.environ.get("ANTHROPIC_PROXY_CACHE")
    if chosen:
        # Servers are started in other folders than this one.
        return Path(chosen).expanduser().absolute() / "servers"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "anthropic-proxy" / "servers"


def recipe(name: str) -> Recipe:
    """The recipe of that name; KeyError if there is none."""
    return {recipe.name: recipe for recipe in RECIPES}[name]


def is_built(recipe: Recipe, cache: Path) -> bool:
    """Whether every program of the recipe is there; folders are renamed into place whole, never half filled."""
    return all((cache / recipe.folder / program).is_file() for program in recipe.programs)


def in_containers(recipe: Recipe, cache: Path) -> Path:
    """The folder of the scripts that stand in for its programs where it cannot be built."""
    return cache / "in-containers" / recipe.folder


def program(server: str, name: str | None = None) -> Path:
    """Path of a program (the server itself unless named): the built one, else the script that runs it in a container.

    Raises FileNotFoundError, saying what to run, if there is neither.
    """
    chosen, cache = recipe(server), cache_folder()
    built = cache / chosen.folder / (name or chosen.programs[0])
    script = in_containers(chosen, cache) / built.name
    found = next((path for path in (built, script) if path.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"{built} is missing: run `python -m tests.servers` once (or `make test-stack`)")
    return found
