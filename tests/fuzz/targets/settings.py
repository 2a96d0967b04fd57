"""The settings file and our variables: settings, or one line that says what is wrong."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from proxy.settings.errors import SettingsError
from proxy.settings.keys import all_keys
from proxy.settings.load import load
from tests.fuzz.targets import fields

TOKENS = (
    b"\xff",
    b"\n",
    b"=",
    b"[",
    b"]",
    b'"',
    b"'",
    b"#",
    b".",
    b",",
    b"{",
    b"}",
    b"1",
    b"-1",
    b"true",
    b"nan",
    b"1e400",
    b"0x10",
    b"10GiB",
    b"7d",
    b"127.0.0.1:0",
    b"[::1]:0",
    b"0.0.0.0:80",
    b"http://127.0.0.1:1/x",
    b"https://a@b",
    b"[upstreams.a]\nurl=",
    b"[endpoints.a]\npath=",
    b"1979-05-27",
    b"\\u0000",
    b'"""',
    b"\xc3\xa9",
    b"/",
    b"*",
    *(key.dotted.encode() + b" = " for key in all_keys() if "<" not in key.dotted),
)


@cache
def _variables() -> list[str]:
    return [key.variable for key in all_keys()]


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp())


def check(data: bytes) -> None:
    """A file, then names and values of variables."""
    text, *variables = fields(data, 7)
    path = _folder() / "anthropic-proxy.toml"
    path.write_bytes(text)
    known = _variables()
    environ = {
        known[value[0] % len(known)].replace("<NAME>", "A"): value[1:].decode("utf-8", "surrogateescape")
        for value in variables
        if value
    }
    said = _loaded(path, environ)
    assert said is None or said.count("\n") <= 1
    assert said != ""


def _loaded(path: Path, environ: Mapping[str, str]) -> str | None:
    """What is wrong; None for settings."""
    try:
        load(config=path, environ=environ, folder=_folder())
    except SettingsError as error:
        return str(error)
    return None
