"""Listening addresses: `HOST:PORT` in text and as a value, and which ones are the same place."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

_LISTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9.-]+)):(?P<port>\d{1,5})")
_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_URL = re.compile(r"[\x21-\x7e]+")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A host without brackets, and a port; port 0 means any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect to it."""
        if self.host.lower() == "localhost":
            return True
        number = _number(self.host)
        return number is not None and number.is_loopback

    @property
    def reachable(self) -> Address:
        """An address to connect to: loopback where this one stands for every interface."""
        number = _number(self.host)
        if number is None or not number.is_unspecified:
            return self
        return Address("127.0.0.1" if number.version == 4 else "::1", self.port)


def parse(text: str) -> Address | None:
    """The address, or None if the text is not HOST:PORT with a port up to 65535."""
    found = _LISTEN.fullmatch(text.strip())
    if found is None or int(found["port"]) > 65_535 or (found["six"] and _number(found["six"]) is None):
        return None
    return Address(found["six"] or found["host"], int(found["port"]))


def of_url(url: str) -> Address | None:
    """Host and port that a URL leads to; None if it has none that are valid, or characters that no URL has."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not port or not parts.hostname or not _URL.fullmatch(url):
        return None
    known = _NAME.fullmatch(parts.hostname) or _number(parts.hostname) is not None
    return Address(parts.hostname, port) if known else None


def bound(sock: socket.socket) -> Address:
    """Where a socket listens, its port known."""
    host, port = sock.getsockname()[:2]
    return Address(str(host), int(port))


def url(sock: socket.socket) -> str:
    """The base URL that leads to a listening socket from this machine."""
    return f"http://{bound(sock).reachable}"


def leads_to(target: Address, listener: Address) -> bool:
    """Whether a connection to the target arrives at the listener. Looks names up only if the ports are equal."""
    if target.port != listener.port:
        return False
    numbers = _resolved(target.host)
    own = _number(listener.host)
    if own is not None and own.is_unspecified:
        return any(map(_is_ours, numbers))
    return bool(numbers & _resolved(listener.host))


def _number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _resolved(host: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def _is_ours(number: str) -> bool:
    """An address belongs to this machine if a socket can be bound to it."""
    family = socket.AF_INET6 if ":" in number else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((number, 0))
    except OSError:
        return False
    return True
