"""Foreign servers in Python environments of their own, kept outside the checkout, one for each version."""

from __future__ import annotations

import subprocess
import sys
import venv

from benchmarks.cache import cache

PACKAGES = {"litellm": "litellm[proxy]==1.106.2", "mitmdump": "mitmproxy==11.0.2"}
"""Program → what is installed for it."""


def own_python() -> str:
    """The interpreter that runs this proxy."""
    return sys.executable


def program(name: str) -> str:
    """Path of a foreign program, installed when it is asked for the first time."""
    package = PACKAGES[name]
    folder = cache() / package.replace("[", "-").replace("]", "").replace("==", "-")
    ready = folder / "ready"
    if not ready.exists():
        print(f"installing {package} (once)", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", package]
        subprocess.run(pip, check=True)
        ready.touch()
    return str(folder / "bin" / name)


def version(name: str) -> str:
    """Package and version as in a sentence."""
    package, _, number = PACKAGES[name].partition("==")
    return f"{package.partition('[')[0]} {number}"
