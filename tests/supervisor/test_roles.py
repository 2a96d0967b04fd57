from __future__ import annotations

from pathlib import Path

import pytest

from proxy.settings.shape import Settings
from proxy.supervisor.handover import HandOver
from proxy.supervisor.roles import ROLES


def test_every_child_of_the_supervisor_has_its_role() -> None:
    assert set(ROLES) == {"relay", "observer", "upstream", "traffic"}


@pytest.mark.parametrize("role", ["relay", "observer", "upstream"])
def test_a_role_that_serves_needs_a_socket(role: str) -> None:
    with pytest.raises(ValueError, match="no socket was handed over"):
        ROLES[role](HandOver(Settings(data=Path("/data")), None))
