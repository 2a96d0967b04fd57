"""What an agent's session may take on disk: sizes are the same on every machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import storage
from benchmarks.sessions import session
from proxy.ledger.folder import Folder
from proxy.ledger.verify import verify


@pytest.mark.parametrize("client", storage.CLIENTS)
def test_a_session_of_100_turns_takes_15_times_less_than_its_bytes_and_4_times_less_than_zstd(
    client: str, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "data")
    sizes = storage.measured(session(100, **storage.CLIENTS[client]), folder)
    assert sizes.requests > 30e6
    assert sizes.to_raw > 15
    assert sizes.to_whole > 4
    assert verify(folder) == []
