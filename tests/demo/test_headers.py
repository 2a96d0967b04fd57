"""Header lines of an answer."""

from __future__ import annotations

from proxy.demo.chance import seeded
from proxy.demo.headers import JSON, api_lines, edge_lines, organization, request_id
from proxy.demo.limits import Caller

ADA = Caller("ada", oauth=True)


def test_edge_lines_keep_two_cookies_apart_and_the_spelling_of_the_edge() -> None:
    names = [name for name, _ in edge_lines(seeded(1), 1_795_000_000.0, JSON)]
    assert names == ["Date", "Content-Type", "Server", "CF-RAY", "set-cookie", "set-cookie"]


def test_date_is_that_of_the_clock() -> None:
    assert dict(edge_lines(seeded(1), 1_795_000_000.0, JSON))["Date"] == "Wed, 18 Nov 2026 11:06:40 GMT"


def test_organization_belongs_to_the_caller() -> None:
    first, second = (dict(api_lines(seeded(n), ADA, request_id(seeded(n)))) for n in range(2))
    assert first["anthropic-organization-id"] == second["anthropic-organization-id"] == organization(ADA)
    assert organization(Caller("ben", oauth=True)) != organization(ADA)
    assert first["request-id"] != second["request-id"]
