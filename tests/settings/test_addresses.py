from __future__ import annotations

import socket

import pytest

from proxy.settings.addresses import Address, bound, leads_to, of_url, parse, url


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("localhost:0", Address("localhost", 0)),
        ("[::1]:8080", Address("::1", 8080)),
        ("proxy.example.com:65535", Address("proxy.example.com", 65_535)),
    ],
)
def test_host_and_port_are_read_and_written(text: str, address: Address) -> None:
    assert parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "8080", ":8080", "host", "host:", "host:65536", "host:-1", "::1:80", "[x]:1", "a/b:1"]
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LocalHost"])
def test_loopback_is_known_by_number_and_name(host: str) -> None:
    assert Address(host, 1).loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com"])
def test_every_other_address_lets_machines_in(host: str) -> None:
    """H9"""
    assert not Address(host, 1).loopback


@pytest.mark.parametrize(
    ("host", "reachable"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.0.2.1", "192.0.2.1"), ("localhost", "localhost")],
)
def test_a_wildcard_is_reached_by_loopback(host: str, reachable: str) -> None:
    assert Address(host, 80).reachable == Address(reachable, 80)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://api.anthropic.com", Address("api.anthropic.com", 443)),
        ("http://[::1]/x", Address("::1", 80)),
        ("http://host:9000/a?b", Address("host", 9000)),
        ("http://host:x", None),
        ("http://", None),
        ("ftp://host", None),
        ("http://[::1", None),
        ("http://my_service:1", Address("my_service", 1)),
        ("http://a b/", None),
        ("http://a\x01b/", None),
        ("http://%41/", None),
        ("http://a/b c", None),
        ("http://api.test./", Address("api.test.", 80)),
        ("http://a..b/", None),
        (f"http://{'a' * 64}.test/", None),
    ],
)
def test_a_url_leads_to_host_and_port(url: str, address: Address | None) -> None:
    assert of_url(url) == address


@pytest.mark.parametrize(
    ("target", "listener", "same"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080", True),
        ("localhost:8080", "127.0.0.1:8080", True),
        ("127.0.0.1:8080", "localhost:8080", True),
        ("127.0.0.1:8080", "0.0.0.0:8080", True),
        ("127.0.0.1:8080", "127.0.0.1:8081", False),
        ("127.0.0.2:8080", "127.0.0.1:8080", False),
        ("192.0.2.1:8080", "0.0.0.0:8080", False),
        ("unknown.invalid:8080", "127.0.0.1:8080", False),
    ],
)
def test_a_target_leads_to_a_listener_of_the_same_place(target: str, listener: str, same: bool) -> None:
    here, there = parse(target), parse(listener)
    assert here is not None
    assert there is not None
    assert leads_to(here, there) is same


@pytest.mark.parametrize(
    ("family", "host", "reached"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET6, "::1", "[::1]"),
        (socket.AF_INET, "0.0.0.0", "127.0.0.1"),
        (socket.AF_INET6, "::", "[::1]"),
    ],
)
def test_a_socket_is_reached_by_a_url_of_this_machine(family: socket.AddressFamily, host: str, reached: str) -> None:
    with socket.create_server((host, 0), family=family) as sock:
        assert url(sock) == f"http://{reached}:{bound(sock).port}"
