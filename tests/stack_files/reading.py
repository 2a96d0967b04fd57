"""What `docker-compose.yml` and the Dockerfile say, as far as other files have to agree with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.servers.recipes import RECIPES

ROOT = Path(__file__).resolve().parents[2]


class Service(msgspec.Struct):
    """A container."""

    image: str
    build: str | None = None
    user: str = ""
    working_dir: str = "/"
    environment: dict[str, str] = {}
    entrypoint: list[str] = []
    command: list[str] = []
    volumes: list[str] = []
    mem_limit: str = ""
    stop_grace_period: str = "10s"

    def mounted(self) -> dict[str, str]:
        """Path in the container → volume or folder of the repository."""
        return {target: source for source, target in (volume.split(":")[:2] for volume in self.volumes)}


class _Compose(msgspec.Struct):
    services: dict[str, Service]


def services() -> dict[str, Service]:
    """All containers by name."""
    return msgspec.yaml.decode(text("docker-compose.yml"), type=_Compose).services


def text(path: str) -> str:
    """A file of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


def configurations() -> Iterator[tuple[str, str]]:
    """(service, text) of every YAML file that is mounted into a container; dashboards are no YAML."""
    for name, service in services().items():
        for source in service.mounted().values():
            if source.startswith("./"):
                yield from ((name, path.read_text("utf-8")) for path in sorted((ROOT / source).rglob("*.yaml")))


def dockerfile_environment() -> dict[str, str]:
    """Variables that the image gives the proxy."""
    return dict(re.findall(r"\b([A-Z_]+)=(\S+)", text("Dockerfile").partition("\nENV PATH=/opt")[2]))


def images_of_recipes() -> set[str]:
    """Images of the versions that `tests/servers` builds."""
    return {recipe.image for recipe in RECIPES if recipe.image is not None}
