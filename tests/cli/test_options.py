from __future__ import annotations

from pathlib import Path

import click
import pytest

from proxy.cli.options import settings_of
from proxy.cli.running import serve


@pytest.mark.parametrize(
    ("given", "key", "value", "origin"),
    [
        ({"listen": "127.0.0.1:1"}, "relay.listen", "127.0.0.1:1", "--listen"),
        ({"listen": "[::1]:1", "port": 0}, "relay.listen", "[::1]:0", "--port"),
        ({"inspector": "127.0.0.1:2"}, "inspector.listen", "127.0.0.1:2", "--inspector"),
        ({"upstream": "http://x"}, "upstreams.anthropic.url", "http://x", "--upstream"),
        ({"log_format": "json"}, "log.format", "json", "--log-format"),
    ],
)
def test_an_option_gives_its_setting(
    tmp_path: Path, given: dict[str, str | int | None], key: str, value: str, origin: str
) -> None:
    empty = tmp_path / "empty.toml"
    empty.touch()
    loaded = settings_of(empty, {**given, "data": None})
    found: object = loaded.settings
    for part in key.split("."):
        found = found[part] if isinstance(found, dict) else getattr(found, part)
    assert found == value
    assert loaded.origins[key] == origin


def test_a_file_that_cannot_be_read_is_for_the_settings_to_name() -> None:
    """I5: click would say it in its own four lines."""
    [config] = [parameter for parameter in serve.params if parameter.name == "config"]
    assert isinstance(config.type, click.Path)
    assert not config.type.readable
