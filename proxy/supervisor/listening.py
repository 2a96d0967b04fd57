"""Listening sockets, opened before any child starts and kept open while children come and go."""

from __future__ import annotations

import errno
import socket

from proxy.settings.addresses import parse
from proxy.settings.errors import SettingsError

_BACKLOG = 2048
_REASONS = {
    errno.EADDRINUSE: "is in use by another process; stop it or choose another port",
    errno.EACCES: "may not be used by this user; choose a port from 1024 up",
    errno.EADDRNOTAVAIL: "is not an address of this machine; choose one that is",
}


def listen(key: str, text: str, origin: str | None = None) -> socket.socket:
    """A socket that listens on HOST:PORT, the value of a setting. Raises SettingsError naming it."""
    address = parse(text)
    if address is None:
        raise SettingsError(f"{key} = {text}: expected HOST:PORT", where=origin)
    try:
        family, _, _, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(place[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, f"cannot be listened on ({error.strerror}); choose another")
        raise SettingsError(f"{key}: {address} {reason}", where=origin) from error
