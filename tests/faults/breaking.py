"""Functions of a running product that fail when they are told to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

Place = tuple[str, str]
"""A module, and a function in it."""

HOOK = """
import importlib.abc, importlib.util, os, sys

PLACES, FOLDER = {places!r}, {folder!r}

def breaking(works, name):
    def call(*given, **named):
        if os.path.exists(os.path.join(FOLDER, name)):
            with open(os.path.join(FOLDER, "raised"), "a") as raised:
                raised.write(name + "\\n")
            raise RuntimeError("a fault of the test in " + name)
        return works(*given, **named)
    return call

class Hook(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        paths = [path for module, path in PLACES if module == name]
        if not paths:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        sys.meta_path.insert(0, self)
        execute = spec.loader.exec_module
        def exec_module(module):
            execute(module)
            for path in paths:
                *owners, last = path.split(".")
                owner = module
                for part in owners:
                    owner = getattr(owner, part)
                setattr(owner, last, breaking(getattr(owner, last), path))
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Hook())
"""
"""A `sitecustomize` that makes functions of the product fail while there is a file of their name."""


class Breakable:
    """Functions of all processes of a proxy that is started with this environment."""

    def __init__(self, folder: Path, places: Iterable[Place]) -> None:
        """The folder is made."""
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(HOOK.format(places=sorted(places), folder=str(folder)))
        self._folder = folder
        self.env = {"PYTHONPATH": str(folder)}

    @contextlib.contextmanager
    def broken(self, place: Place) -> Iterator[None]:
        """One of them fails while the block runs, and did."""
        (self._folder / "raised").unlink(missing_ok=True)
        flag = self._folder / place[1]
        flag.touch()
        try:
            yield
        finally:
            flag.unlink()
        assert self.raised(place), "it was never called"

    def raised(self, place: Place) -> int:
        """How often it failed the last time."""
        raised = self._folder / "raised"
        return raised.read_text().splitlines().count(place[1]) if raised.exists() else 0
