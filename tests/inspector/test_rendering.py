from __future__ import annotations

import re
from pathlib import Path

import pytest

import proxy.inspector
from proxy.inspector.assets import Assets
from proxy.inspector.rendering import Renderer
from proxy.version import version

TEMPLATES = Path(proxy.inspector.__file__).with_name("templates")


def test_text_is_escaped_and_half_surrogates_do_no_harm() -> None:
    """H3"""
    page = Renderer(Assets()).page("problem.html", {"heading": "<script>", "sentence": "\ud83d&\"'"})

    assert b"<h1>&lt;script&gt;</h1>" in bytes(page.body)
    assert b"?&amp;&#34;&#39;" in bytes(page.body)


def test_every_page_names_the_version_that_made_it() -> None:
    page = Renderer(Assets()).page("problem.html", {"heading": "", "sentence": ""})

    assert f"<span>anthropic-proxy {version()}</span>".encode() in bytes(page.body)


@pytest.mark.parametrize("path", sorted(TEMPLATES.iterdir()), ids=lambda path: path.name)
def test_templates_hold_no_markup_of_captured_text_and_no_inline_code(path: Path) -> None:
    text = path.read_text()

    assert not re.search(r"\|\s*safe|Markup|autoescape|\bstyle=|\bon[a-z]+=|javascript:|<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"(?:src|href|action)=\"https?:", text)
    assert len(text.splitlines()) <= 120
