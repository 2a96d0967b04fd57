"""Runbooks point to what exists: panels, sections, settings, commands, filters of the inspector."""

from __future__ import annotations

import re

from tests.dashboards.walking import dashboards
from tests.rules.reading import ROOT, loki_alerts, prometheus_alerts, recorded, sections

TEXT = (ROOT / "docs/runbooks.md").read_text("utf-8")


def test_every_section_says_how_bad_it_is_where_to_look_what_to_do_and_when_it_is_normal() -> None:
    alerts = {**prometheus_alerts(), **loki_alerts()}
    for title, section in sections("docs/runbooks.md").items():
        assert section.startswith(f"\n*{alerts[title].labels['severity']}.* "), title
        assert [section.count(part) for part in ("- Look: ", "- Do: ", "- Normal: ")] == [1, 1, 1], title


def test_every_panel_exists() -> None:
    named = {" ".join(panel.split()) for panel in re.findall(r"\*\*([^*]+ › [^*]+)\*\*", TEXT)}
    assert len(named) > 30
    assert named - {f"{each.title} › {panel.title}" for each in dashboards() for panel in each.plots} == set()


def test_every_link_leads_somewhere() -> None:
    anchors = {title.lower() for title in re.findall(r"^## (.+)", TEXT, flags=re.MULTILINE)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= anchors
    files = re.findall(r"\]\((\.\./[\w./-]+|[\w-]+\.md)\)", TEXT)
    assert [file for file in files if not (ROOT / "docs" / file).exists()] == []


def test_every_objective_setting_command_and_filter_exists() -> None:
    settings, commands, api = (
        (ROOT / f"docs/{name}.md").read_text("utf-8") for name in ("settings", "commands", "api")
    )
    assert set(re.findall(r"`((?:endpoint:)?objective[\w:]+)`", TEXT)) <= recorded().keys()
    for section, key in re.findall(r"`(relay|capture|retention|telemetry)\.(\w+)`", TEXT):
        assert f"`ANTHROPIC_PROXY_{section}_{key}`".upper() in settings.upper(), key
    for command in re.findall(r"`anthropic-proxy ((?:[a-z]+ ?)+)", TEXT):
        assert f"### `anthropic-proxy {command.strip()}`" in commands, command
    for query in re.findall(r"`/requests\?([^`]+)`", TEXT):
        for name in re.findall(r"(\w+)=", query):
            assert f"| `{name}` |" in api, name
