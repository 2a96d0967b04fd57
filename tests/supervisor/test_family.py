from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from proxy.settings.shape import Relay, Settings
from proxy.supervisor import family
from proxy.supervisor.roles import ROLES


def settings(workers: int) -> Settings:
    return Settings(data=Path("/data"), relay=Relay(workers=workers, drain_seconds=3, prestop_seconds=2))


def test_one_worker_is_called_relay_and_several_have_numbers() -> None:
    with socket.socket() as sock:
        assert [role.name for role in family.relays(settings(1), sock)] == ["relay"]
        several = family.relays(settings(3), sock)
    assert [role.name for role in several] == ["relay-1", "relay-2", "relay-3"]
    assert {(role.role, role.listener, role.turn) for role in several} == {("relay", sock, several[0].turn)}


def test_a_relay_may_take_as_long_as_its_drain_and_what_comes_after() -> None:
    with socket.socket() as sock:
        assert {role.patience for role in family.relays(settings(2), sock)} == {5 + family.RELAY_MARGIN_S}


def test_traffic_ends_first_then_relays_then_their_upstream_and_the_observer_last() -> None:
    with socket.socket() as sock:
        table = (
            *family.relays(settings(2), sock),
            family.observer(sock, "code", ()),
            *family.sample(sock, ()),
        )
    by_turn = [role.name for role in sorted(table, key=lambda role: role.turn)]
    assert by_turn == ["traffic", "relay-1", "relay-2", "upstream", "observer"]
    assert {role.role for role in table} == ROLES.keys()


def test_a_start_that_fails_leaves_no_descriptor_open() -> None:
    """It is tried again and again."""
    with socket.socket() as closed:
        number = closed.fileno()
    child = family.child(family.observer(closed, "code", ()), settings(1))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(ValueError, match="fds_to_keep"):
            child.start(number, 0)
    assert len(os.listdir("/proc/self/fd")) == before
