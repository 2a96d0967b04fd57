from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
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


def test_the_demos_upstream_ends_with_its_supervisor(tmp_path: Path) -> None:
    """The pipe that it watches is shared with siblings, one of which may have made it non-blocking."""
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from proxy.settings.shape import Settings\n"
        "from proxy.supervisor.handover import HandOver\n"
        "from proxy.supervisor.roles import ROLES\n"
        "parent, listener = map(int, sys.argv[1:])\n"
        "os.set_blocking(parent, False)\n"
        "ROLES['upstream'](HandOver(Settings(data=Path('/data')), parent, listener))\n"
    )
    read, write = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        inherited = [read, sock.fileno()]
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, inherited)], pass_fds=inherited, stderr=subprocess.PIPE, text=True
        )
        host, port = sock.getsockname()
        assert httpx.get(f"http://{host}:{port}/v1/models", timeout=20, trust_env=False).status_code < 500
    assert process.poll() is None
    os.close(write)
    said = process.communicate(timeout=20)[1]
    os.close(read)
    assert process.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in said
