"""Seeded randomness: the same parts always give the same stream of choices and identifiers."""

from __future__ import annotations

from random import Random

_BASE62 = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def seeded(*parts: object) -> Random:
    """A generator that depends on nothing but `parts`, in this and in every other process."""
    return Random("/".join(str(part) for part in parts))  # noqa: S311 - sample data, no secret


def identifier(random: Random, prefix: str, length: int = 22) -> str:
    """An id in the provider's style, such as `msg_01AbC…`; `prefix` includes its underscore and version digits."""
    return prefix + "".join(random.choices(_BASE62, k=length))


def opaque(random: Random, length: int) -> str:
    """Base64-looking text of `length` characters, for signatures and encrypted content."""
    return "".join(random.choices(_BASE64, k=length))


def uuid(random: Random) -> str:
    """A version 4 UUID."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
