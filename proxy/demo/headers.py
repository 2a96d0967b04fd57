"""The header lines of an answer, spelled and ordered as the API's edge sends them."""

from __future__ import annotations

from email.utils import formatdate
from random import Random

from proxy.demo.chance import identifier, opaque, seeded, uuid
from proxy.demo.limits import Caller
from proxy.demo.shapes import Pairs

SSE = "text/event-stream; charset=utf-8"
JSON = "application/json"


def request_id(random: Random) -> str:
    """An id for the `request-id` line and for error bodies."""
    return identifier(random, "req_011C")


def edge_lines(random: Random, now: float, content_type: str) -> Pairs:
    """What the edge adds to every answer, the API's or its own; `now` is Unix seconds."""
    cookie = "path=/; domain=.anthropic.com; HttpOnly; Secure; SameSite=None"
    return [
        ("Date", formatdate(now, usegmt=True)),
        ("Content-Type", content_type),
        ("Server", "cloudflare"),
        ("CF-RAY", f"{random.getrandbits(64):016x}-FRA"),
        ("set-cookie", f"_cfuvid={opaque(random, 40)}; {cookie}"),
        ("set-cookie", f"__cf_bm={opaque(random, 40)}; {cookie}"),
    ]


def api_lines(random: Random, caller: Caller, asked_id: str) -> Pairs:
    """What the API itself adds."""
    return [
        ("request-id", asked_id),
        ("anthropic-organization-id", organization(caller)),
        ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
        ("x-envoy-upstream-service-time", str(random.randint(180, 2_400))),
        ("via", "1.1 google"),
        ("cf-cache-status", "DYNAMIC"),
        ("X-Robots-Tag", "none"),
    ]


def organization(caller: Caller) -> str:
    """The organisation of a caller, a UUID that depends on the credential alone."""
    return uuid(seeded("organization", caller.account))
