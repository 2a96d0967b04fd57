"""Text and code as coloured pieces: fences of Markdown, JSON, and what pygments knows.

A piece is a CSS class and a text; templates escape the text, so captured text can never become markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES

MAX_HIGHLIGHTED = 60_000
"""Characters of one listing above which colour is left out: pygments takes about a second for a megabyte."""

_LANGUAGES = {
    "bash", "c", "c++", "cpp", "cs", "csharp", "css", "diff", "docker", "dockerfile", "go", "graphql", "html",
    "http", "ini", "java", "javascript", "js", "json", "jsx", "kotlin", "lua", "make", "makefile", "markdown",
    "md", "nginx", "php", "powershell", "proto", "py", "python", "rb", "ruby", "rs", "rust", "sh", "shell", "sql",
    "swift", "toml", "ts", "tsx", "typescript", "xml", "yaml", "yml", "zsh",
}  # fmt: skip
"""A fence may name any of pygments' 600 languages, and some of their patterns take exponential time: these do not."""

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^\n`]*\n(.*?)(?:^ {0,3}\1[ \t]*$\n?|\Z)", re.M | re.S)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text of one colour; the class is empty for plain text."""

    css: str
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a text: prose (kept as written) or a listing in a language."""

    pieces: tuple[Piece, ...]
    listing: bool = False
    language: str = ""


def prose(text: str) -> tuple[Part, ...]:
    """A text cut at its code fences; nothing else of Markdown is interpreted."""
    return tuple(_parts(text))


def listing(text: str, language: str) -> Part:
    """A whole text as one listing."""
    return Part(tuple(highlight(text, language)), True, language)


def highlight(text: str, language: str) -> list[Piece]:
    """The pieces of a listing; one plain piece where the language is unknown or the text is very long."""
    lexer = _lexer(language) if len(text) <= MAX_HIGHLIGHTED else None
    if lexer is None:
        return [Piece("", text)]
    merged: list[Piece] = []
    # Some lexers take a last line without its end for an error.
    for token, value in lexer.get_tokens(f"{text}\n"):
        css = STANDARD_TYPES.get(token, "")
        css = "" if css == "w" else css
        if merged and merged[-1].css == css:
            merged[-1] = Piece(css, merged[-1].text + value)
        else:
            merged.append(Piece(css, value))
    return [*merged[:-1], Piece(merged[-1].css, merged[-1].text.removesuffix("\n"))] if merged else merged


def _parts(text: str) -> Iterator[Part]:
    at = 0
    for fence in _FENCE.finditer(text):
        if fence.start() > at:
            yield Part((Piece("", text[at : fence.start()].strip("\n")),))
        yield listing(fence[3].rstrip("\n"), fence[2].lower())
        at = fence.end()
    if at < len(text):
        yield Part((Piece("", text[at:].lstrip("\n") if at else text),))


def _lexer(language: str) -> Lexer | None:
    return get_lexer_by_name(language, stripnl=False) if language in _LANGUAGES else None
