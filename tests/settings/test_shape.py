from __future__ import annotations

import io
from pathlib import Path

import pytest

from proxy.settings.shape import Endpoint, Log, Settings, Upstream, data_folder, demo_data_folder


def test_without_anything_configured_everything_goes_to_anthropic() -> None:
    settings = Settings(data=Path("/data"))
    assert settings.upstreams == {"anthropic": Upstream(url="https://api.anthropic.com", dialect="anthropic")}
    assert settings.endpoints == {"default": Endpoint(path="", upstreams=("anthropic",))}


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings(data=Path("/data")).relay.workers = 2  # type: ignore[misc]


def test_the_demo_keeps_its_ledger_apart() -> None:
    assert demo_data_folder() not in (data_folder(), *data_folder().parents)
    assert data_folder() not in demo_data_folder().parents


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("format_", "stream", "text"),
    [
        ("auto", Terminal(), True),
        ("auto", io.StringIO(), False),
        ("text", io.StringIO(), True),
        ("json", Terminal(), False),
    ],
)
def test_lines_are_text_on_a_terminal_unless_told_otherwise(format_: str, stream: io.StringIO, text: bool) -> None:
    assert Log(format=format_).is_text(stream) is text  # type: ignore[arg-type]


def test_colours_are_for_terminals_and_for_those_who_want_them() -> None:
    assert [Log().is_colored(stream) for stream in (Terminal(), io.StringIO())] == [True, False]
    assert not Log(color=False).is_colored(Terminal())
