from __future__ import annotations

import socket

import pytest

from proxy.settings.addresses import bound, url
from proxy.settings.errors import SettingsError
from proxy.supervisor.listening import listen


def test_port_0_takes_a_free_port_and_says_which() -> None:
    with listen("relay.listen", "127.0.0.1:0") as sock, socket.create_connection(sock.getsockname()):
        assert url(sock) == f"http://127.0.0.1:{bound(sock).port}"


def test_a_port_in_use_is_named_with_the_remedy() -> None:
    """I5"""
    with listen("relay.listen", "127.0.0.1:0") as taken:
        address = bound(taken)
        with pytest.raises(SettingsError) as raised:
            listen("relay.listen", str(address), "--listen")
    sentence = f"--listen: relay.listen: {address} is in use by another process; stop it or choose another port"
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("192.0.2.1:8080", "192.0.2.1:8080 is not an address of this machine; choose one that is"),
        ("unknown.invalid:8080", "unknown.invalid:8080 cannot be listened on"),
    ],
)
def test_an_address_that_is_not_ours_is_named(text: str, reason: str) -> None:
    with pytest.raises(SettingsError) as raised:
        listen("inspector.listen", text)
    assert str(raised.value).startswith(f"inspector.listen: {reason}")
