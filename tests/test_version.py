from __future__ import annotations

import tomllib
from pathlib import Path

from proxy.version import version


def test_the_version_is_written_once_in_the_project_file() -> None:
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert version() == project["version"]
