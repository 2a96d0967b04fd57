from __future__ import annotations

import pytest

from proxy.settings.errors import SettingsError
from proxy.settings.keys import KeyPath, all_keys
from proxy.settings.unknown import refuse_unknown

KEYS = all_keys()


@pytest.mark.parametrize(
    ("path", "value"),
    [(("relay", "listen"), "x"), (("relay",), {}), (("endpoints", "production"), {}), (("upstreams", "a", "url"), "x")],
)
def test_known_keys_and_empty_tables_pass(path: KeyPath, value: object) -> None:
    refuse_unknown(path, value, "x.toml:1", KEYS)
    assert any(key.continues(path) for key in KEYS)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (("relay", "listn"), "relay.listn is not a setting; did you mean relay.listen?"),
        (("relais", "listen"), "relais is not a setting; did you mean relay?"),
        (("listen",), "listen is not a setting; did you mean relay.listen?"),
        (("capture", "max_body"), "capture.max_body is not a setting; did you mean relay.max_body?"),
        (("endpoints", "a", "upstream"), "endpoints.a.upstream is not a setting; did you mean endpoints.a.upstreams?"),
        (("relay", "listen", "port"), "relay.listen: expected a value, not a table"),
        (("relay",), "relay: expected a table, write [relay]"),
        (("zzzz", "a"), "zzzz is not a setting; `anthropic-proxy config show` lists them"),
        (("keys", "ci", "hash"), "keys: keys issued to clients are not built yet; remove it"),
        (("credentials", "a", "upstream"), "credentials: a pool of your own credentials is not built yet; remove it"),
        (("archive", "url"), "archive: an archive of several nodes is not built yet; remove it"),
        (("capture", "redact"), "capture.redact: expected a table, write [capture.redact.<name>]"),
    ],
)
def test_an_unknown_key_is_named_with_a_suggestion(path: KeyPath, sentence: str) -> None:
    """I5"""
    with pytest.raises(SettingsError) as raised:
        refuse_unknown(path, "x", "x.toml:1", KEYS)
    assert str(raised.value) == f"x.toml:1: {sentence}"
