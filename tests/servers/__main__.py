"""`python -m tests.servers`: builds what is not in the cache yet, one line per server; without Go, containers do."""

from __future__ import annotations

import fcntl
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tests.servers.building import BuildError, build, check_go, remove_unfinished
from tests.servers.cache import cache_folder, in_containers, is_built
from tests.servers.containers import engine_answers, prepare
from tests.servers.recipes import RECIPES, Recipe


def main() -> int:
    """Exit code 0 when every server can be started, 1 when one can be neither built nor run in a container."""
    signal.signal(signal.SIGTERM, _leave)
    cache = cache_folder()
    try:
        with _only_one_builder(cache):
            missing = [recipe for recipe in RECIPES if not is_built(recipe, cache)]
            if missing:
                _bring(missing, cache)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error}: name another folder by ANTHROPIC_PROXY_CACHE", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; the next run goes on where this one stopped", file=sys.stderr)
        return 1
    programs = ", ".join(f"{recipe.name} {recipe.version}" for recipe in RECIPES)
    print(f"servers ready in {cache}: {programs}")
    return 0


def _bring(missing: list[Recipe], cache: Path) -> None:
    """Builds what is missing, or has containers of the same versions take its place. Raises BuildError."""
    try:
        check_go()
    except BuildError as error:
        if not engine_answers():
            raise
        print(f"{error} Docker answers: containers of the same versions take their place.", flush=True)
        for recipe in missing:
            prepare(recipe, in_containers(recipe, cache))
    else:
        remove_unfinished(cache)
        for recipe in missing:
            _build_visibly(recipe, cache)


def _build_visibly(recipe: Recipe, cache: Path) -> None:
    title = f"{recipe.name} {recipe.version}"
    promise = f"about {recipe.cold_seconds} s the first time on two cores"
    live = sys.stdout.isatty()
    if not live:
        print(f"{title}: building ({promise})", flush=True)

    def tick(seconds: float) -> None:
        if live:
            print(f"\r{title}: building, {seconds:4.0f} s ({promise})", end="", flush=True)

    seconds = build(recipe, cache, tick)
    start_of_line = "\r\x1b[K" if live else ""
    print(f"{start_of_line}{title}: built in {seconds:.0f} s", flush=True)


@contextmanager
def _only_one_builder(cache: Path) -> Iterator[None]:
    """A second run waits for the first and then finds everything there."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another build is running in {cache}: waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _leave(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
