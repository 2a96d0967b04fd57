from __future__ import annotations

import pytest

from proxy.settings.keys import Key, all_keys

KEYS = all_keys()


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.dotted)
def test_every_key_is_described_in_a_sentence(key: Key) -> None:
    assert key.description.endswith(".")


def test_keys_are_listed_in_the_order_of_the_file() -> None:
    rooms = list(dict.fromkeys(key.path[0] for key in KEYS))
    assert rooms == [
        "data", "relay", "inspector", "capture", "retention", "telemetry", "log", "upstreams", "endpoints",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("dotted", "variable", "unit", "expectation"),
    [
        ("relay.listen", "ANTHROPIC_PROXY_RELAY_LISTEN", None, "a text"),
        ("relay.max_headers", "ANTHROPIC_PROXY_RELAY_MAX_HEADERS", None, "a whole number from 1 to 10,000,000"),
        ("relay.workers", "ANTHROPIC_PROXY_RELAY_WORKERS", None, "a whole number from 1 to 64"),
        ("retention.max_bytes", "ANTHROPIC_PROXY_RETENTION_MAX_BYTES", "bytes",
         'a size above 0 such as "10GiB", or a whole number of bytes'),
        ("retention.bodies", "ANTHROPIC_PROXY_RETENTION_BODIES", "seconds",
         'a duration such as "30s", "5m" or "7d", or a number of seconds'),
        ("inspector.token_file", "ANTHROPIC_PROXY_INSPECTOR_TOKEN_FILE", None, "the path of a file or folder"),
        ("upstreams.<name>.url", "ANTHROPIC_PROXY_UPSTREAMS_<NAME>_URL", None, "a text"),
        ("endpoints.<name>.billing", "ANTHROPIC_PROXY_ENDPOINTS_<NAME>_BILLING", None,
         "one of free, pay_as_you_go, subscription"),
    ],
)  # fmt: skip
def test_a_key_says_its_variable_its_unit_and_what_it_expects(
    dotted: str, variable: str, unit: str | None, expectation: str
) -> None:
    key = next(key for key in KEYS if key.dotted == dotted)
    assert (key.variable, key.unit, key.expectation) == (variable, unit, expectation)


def test_a_name_fits_where_the_operator_chooses_it() -> None:
    key = next(key for key in KEYS if key.dotted == "upstreams.<name>.url")
    assert key.fits(("upstreams", "mine", "url"))
    assert not key.fits(("upstreams", "mine"))
    assert key.continues(("upstreams", "mine"))
    assert not key.continues(("upstreams", "mine", "dialect"))
