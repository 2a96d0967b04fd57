"""Where a server cannot be built but a Docker engine answers: for each program a script that runs it in its image.

The scripts take the programs' places, so that nobody who starts one has to know. Linux only: they share our network.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.servers.building import BuildError
from tests.servers.recipes import Recipe

_CHECKOUT = Path(__file__).resolve().parents[2]

# Folders keep their names inside. A client that is killed leaves its container running, so somebody watches it.
_SCRIPT = """\
#!/bin/sh
name=anthropic-proxy-tests-$$
(tail --pid=$$ --sleep-interval=0.2 --follow /dev/null; docker rm --force "$name") </dev/null >/dev/null 2>&1 &
exec docker run --rm --init --name "$name" --network host --user "$(id -u):$(id -g)" \\
  --volume {folder}:{folder} --volume {checkout}:{checkout}:ro --workdir "$PWD" \\
  --entrypoint {program} {image} "$@"
"""


def engine_answers() -> bool:
    """Whether containers can be run here."""
    return shutil.which("docker") is not None and _succeeds("docker", "version")


def prepare(recipe: Recipe, folder: Path) -> None:
    """Gets the image if it is not there, and writes a script for each program into the folder.

    Raises BuildError if there is no such image to be had.
    """
    image = recipe.image
    if image and not _succeeds("docker", "image", "inspect", image) and not _pulls(image):
        raise BuildError(f"the image {image} could not be pulled")
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in zip(recipe.programs, recipe.in_image, strict=True):
        script = folder / name
        script.write_text(_script(image, path), encoding="utf-8")
        script.chmod(0o755)


def _script(image: str | None, program: str) -> str:
    if image is None:
        return f'#!/bin/sh\nexec {program} "$@"\n'
    return _SCRIPT.format(
        folder=shlex.quote(tempfile.gettempdir()), checkout=shlex.quote(str(_CHECKOUT)), program=program, image=image
    )


def _pulls(image: str) -> bool:
    """Docker says itself how far it is."""
    return subprocess.run(["docker", "pull", image], check=False).returncode == 0


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
