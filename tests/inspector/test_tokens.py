from __future__ import annotations

import os
import resource
import signal
import stat
from pathlib import Path

import pytest

from proxy.inspector.tokens import MAX_SESSIONS, SESSION_SECONDS, Sessions, SignInCode, TokenError, api_token, same


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_token_is_made_once_and_private(tmp_path: Path) -> None:
    """H8"""
    old = os.umask(0)
    try:
        token = api_token(tmp_path / "token")
    finally:
        os.umask(old)

    assert len(token) >= 32
    assert api_token(tmp_path / "token") == token
    assert mode(tmp_path / "token") == 0o600


@pytest.mark.parametrize("content", ["short\n", "two words of some length", "ünïcode-is-not-a-token", ""])
def test_a_useless_token_file_is_one_sentence_that_names_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)

    with pytest.raises(TokenError, match=r"^The token file .*token must hold [^\n]*\.$"):
        api_token(path)


def test_a_missing_token_file_of_the_operator_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="cannot be used"):
        api_token(tmp_path / "missing", create=False)
    assert not (tmp_path / "missing").exists()


def test_the_code_signs_in_once() -> None:
    """H8"""
    code = SignInCode("abc")

    assert [code.spend("abd"), code.spend("abc"), code.spend("abc")] == [False, True, False]
    assert not SignInCode(None).spend("")


def test_sessions_outlive_a_restart_and_only_hashes_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    token = Sessions(path).open()

    assert Sessions(path).known(token)
    assert not Sessions(path).known("another")
    assert token not in path.read_text()
    assert mode(path) == 0o600


def test_a_browser_signs_in_although_nothing_can_be_stored(tmp_path: Path) -> None:
    """F3"""
    sessions = Sessions(tmp_path / "nowhere" / "sessions.json")
    first = sessions.open()

    assert sessions.known(first)
    sessions.close(first)
    assert not sessions.known(first)


def test_half_a_token_is_not_left_behind(tmp_path: Path) -> None:
    """F3"""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, before[1]))
    try:
        with pytest.raises(TokenError, match="File too large"):
            api_token(tmp_path / "token")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)

    assert not (tmp_path / "token").exists()


def test_sessions_end_by_signing_out_by_age_and_by_number(tmp_path: Path) -> None:
    now = [1000.0]
    sessions = Sessions(tmp_path / "s", lambda: now[0])
    gone, aged = sessions.open(), sessions.open()
    sessions.close(gone)
    assert not sessions.known(gone)
    now[0] += SESSION_SECONDS + 1
    assert not sessions.known(aged)
    first = sessions.open()
    for _ in range(MAX_SESSIONS):
        now[0] += 1
        last = sessions.open()
    assert (sessions.known(first), sessions.known(last)) == (False, True)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": "b"}', "\x00"])
def test_a_damaged_session_file_means_signing_in_again(tmp_path: Path, content: str) -> None:
    path = tmp_path / "s"
    path.write_text(content)

    token = Sessions(path).open()

    assert Sessions(path).known(token)


def test_secrets_of_any_text_can_be_compared() -> None:
    assert same("é", "é")
    assert not same("\ud800", "x")
