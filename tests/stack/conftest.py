"""The running servers, one set for each test module, and every test here marked `stack`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.running import SERVERS, Stack, prepared_stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of this folder, so that they can be chosen or left out by `-m stack`."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.stack)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Collector, Prometheus, Loki and Alertmanager with the project's own configuration, ready and empty."""
    prepared = prepared_stack(tmp_path_factory.mktemp("stack"))
    prepared.tempo.start()
    try:
        with prepared.running(*SERVERS):
            yield prepared
    finally:
        prepared.tempo.stop()
