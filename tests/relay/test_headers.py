"""Which header fields travel on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.relay import headers


def test_fields_named_by_connection_stay_on_their_hop() -> None:
    """A11"""
    fields = [(b"connection", b"X-Foo, close"), (b"x-foo", b"1"), (b"x-bar", b"2"), (b"te", b"trailers")]
    assert headers.forwarded(fields) == [(b"x-bar", b"2")]


def test_what_was_noted_about_the_client_stays_here() -> None:
    """A13"""
    noted = [(b"x-forwarded-for", b"10.0.0.7"), (b"forwarded", b"for=10.0.0.7"), (b"via", b"1.1 front")]
    assert headers.forwarded([*noted, (b"cf-access-client-id", b"a")]) == [(b"cf-access-client-id", b"a")]


def test_the_inspectors_session_stays_here() -> None:
    """H8: browsers send the cookies of a host to all of its ports"""
    ours = b"anthropic-proxy-0a1b2c3d=secret"
    assert headers.forwarded([(b"cookie", ours), (b"x-a", b"1")]) == [(b"x-a", b"1")]
    assert headers.forwarded([(b"cookie", b"a=1; " + ours + b"; b=2")]) == [(b"cookie", b"a=1; b=2")]
    assert headers.forwarded([(b"cookie", b"a=1;b=2")]) == [(b"cookie", b"a=1;b=2")]


def test_control_fields_stay_here() -> None:
    fields = [(b"x-proxy-workflow", b"w"), (b"host", b"h"), (b"expect", b"100-continue"), (b"accept", b"*/*")]
    assert headers.forwarded(fields) == [(b"accept", b"*/*")]


def test_answers_carry_our_request_id_once() -> None:
    fields = [
        (b"X-Proxy-Request-Id", b"px_other"),
        (b"Content-Type", b"text/plain"),
        (b"Transfer-Encoding", b"chunked"),
    ]
    assert headers.returned(fields, b"px_1") == [(b"Content-Type", b"text/plain"), (b"x-proxy-request-id", b"px_1")]


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"set-cookie"]), st.binary(max_size=8))))
def test_other_fields_keep_order_and_duplicates(fields: list[tuple[bytes, bytes]]) -> None:
    """A24"""
    assert headers.returned(fields, b"id")[:-1] == fields


def test_bytes_that_are_no_utf8_become_text_without_loss() -> None:
    assert headers.text([(b"x", b"\xe9"), (b"y", "é".encode())]) == (("x", "é"), ("y", "é"))
    assert headers.text([(b"x", b"a\nb"), (b"x", b"")]) == (("x", "a\nb"), ("x", ""))
