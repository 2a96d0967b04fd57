"""Seeded randomness."""

from __future__ import annotations

from uuid import UUID

from proxy.demo.chance import identifier, opaque, seeded, uuid


def test_same_parts_give_the_same_stream_in_every_process() -> None:
    assert identifier(seeded(1, "a"), "msg_01") == "msg_01g3zVXm08yBidnKu9Vfck7x"
    assert identifier(seeded(1, "b"), "msg_01") != identifier(seeded(1, "a"), "msg_01")


def test_uuid_is_a_random_one() -> None:
    made = {uuid(seeded(n)) for n in range(50)}
    assert len(made) == 50
    assert {UUID(one).version for one in made} == {4}
    assert {UUID(one).variant for one in made} == {UUID(int=0x8000 << 48).variant}


def test_opaque_text_has_the_length_asked_for() -> None:
    assert len(opaque(seeded(1), 160)) == 160
