from __future__ import annotations

from pathlib import Path

import pytest

from proxy.settings.errors import READABLE, SettingsError
from proxy.settings.file import lines, parse, read

SAMPLE = """\
# settings
data = "here"

[relay]   # the port
listen = "127.0.0.1:1"
allowed_hosts = [
  "a",   # with a comment
  "[b]",
]
max_headers = 5

[endpoints."a.b"]
workflow = '''
[not a table]
'''
organization = "x"
[endpoints.c]
[upstreams]
d.url = "http://x"
"""


def test_every_table_and_key_has_the_line_it_begins_in() -> None:
    assert lines(SAMPLE) == {
        ("data",): 2,
        ("relay",): 4,
        ("relay", "listen"): 5,
        ("relay", "allowed_hosts"): 6,
        ("relay", "max_headers"): 10,
        ("endpoints",): 12,
        ("endpoints", "a.b"): 12,
        ("endpoints", "a.b", "workflow"): 13,
        ("endpoints", "a.b", "organization"): 16,
        ("endpoints", "c"): 17,
        ("upstreams",): 18,
        ("upstreams", "d"): 19,
        ("upstreams", "d", "url"): 19,
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[relay]\nlisten = \n", "x.toml:2: this is not TOML (Invalid value); mend the line"),
        ("[relay]\n\n[relay]\n", "x.toml:3: this is not TOML (Cannot declare ('relay',) twice); mend the line"),
        ("a = [1,\n\n", "x.toml:2: this is not TOML (Invalid value); mend the line"),
    ],
)
def test_broken_toml_is_named_with_its_line(text: str, sentence: str) -> None:
    """I5"""
    with pytest.raises(SettingsError) as raised:
        parse(text, Path("x.toml"))
    assert str(raised.value) == sentence


def test_a_file_nested_too_deeply_is_a_mistake_and_no_crash() -> None:
    with pytest.raises(SettingsError, match="this is not TOML"):
        parse("a = " + "[" * 100_000, Path("x.toml"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfe", "x.toml: is not UTF-8 text; save it as UTF-8"),
        (b"#" * 300_000, "x.toml: is larger than 256 KiB; name a settings file"),
        (
            None,
            f"x.toml: cannot be read (No such file or directory); {READABLE}",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    """I5"""
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        read(path, shown=Path("x.toml"))
    assert str(raised.value) == sentence


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read \(Is a directory\)"):
        read(tmp_path, shown=tmp_path)
