"""The spellings of a caller's secret."""

from __future__ import annotations

import base64

from proxy.reading.redaction.forms import MIN_SECRET_CHARS, forms


def test_a_secret_is_spelt_plain_in_json_in_urls_and_inside_base64() -> None:
    spelt = set(forms('a"b/c\\d=e+f'))
    assert {b'a"b/c\\d=e+f', b'a\\"b/c\\\\d=e+f', b'a\\"b\\/c\\\\d=e+f', b"a%22b%2Fc%5Cd%3De%2Bf"} <= spelt
    for before in (b"", b"x", b"xy", b"xyz"):
        encoded = base64.b64encode(before + b'a"b/c\\d=e+f' + b"tail")
        assert any(form in encoded for form in spelt)


def test_no_form_is_so_short_that_it_turns_up_by_chance() -> None:
    assert min(map(len, forms("x" * MIN_SECRET_CHARS))) >= MIN_SECRET_CHARS
