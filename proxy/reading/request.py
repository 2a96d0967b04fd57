"""What a request says of itself: its operation, its parameters, and who is behind it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import msgspec

from proxy.exchange import Headers
from proxy.reading.caller import lasting
from proxy.reading.encodings import decode, is_encoded
from proxy.reading.facts import PromptFacts, word
from proxy.reading.jsontext import Json, Unreadable, compact, parse
from proxy.reading.operations import operation as operation
from proxy.reading.problems import Problems
from proxy.reading.prompt import prompt_facts
from proxy.reading.turns import Turn

MAX_CUSTOMER_DATA_BYTES = 4096
_READ = frozenset({"messages", "count_tokens", "chat", "responses", "embeddings", "images"})
_COUNTED = frozenset({"messages", "count_tokens", "chat", "responses"})
"""Operations with a conversation."""
_UNREAD = PromptFacts()
_STREAMING = frozenset({"messages", "chat", "responses", "images"})
_UUID = "[0-9a-fA-F-]{36}"
_OLD_USER_ID = re.compile(f"_account_({_UUID})?_session_({_UUID})$")
_COMMENT = re.compile(r"\([^)]*\)")
_CLIENT = re.compile(r"[^\s/]+(?:/[^\s/]+)*(?:\s+\d[\w.+-]*)?")


_METADATA = "x-proxy-metadata"
_CALLERS = 64
"""Callers whose header fields, and accounts, are read once."""


class _Said(NamedTuple):
    """What a caller says with every request."""

    is_form: bool
    session_id: str | None
    agent_id: str | None
    parent_agent_id: str | None
    client: str | None
    retry_count: int | None
    workflow: str | None


class RequestFacts(msgspec.Struct, frozen=True):
    """Facts of one request; None is not known."""

    operation: str = "other"
    dialect: str | None = None
    """By the path; None leaves it to the upstream."""
    model: str | None = None
    stream: bool | None = None
    parameters: str | None = None
    """JSON object."""
    message_count: int | None = None
    tool_count: int | None = None
    image_count: int | None = None
    session_id: str | None = None
    agent_id: str | None = None
    parent_agent_id: str | None = None
    account_uuid: str | None = None
    client: str | None = None
    """Product and version."""
    retry_count: int | None = None
    customer_data: str | None = None
    """JSON object."""
    workflow: str | None = None
    parse_error: str | None = None


def request_facts(
    *,
    method: str,
    path: str,
    headers: Headers,
    body: bytes | None,
    content_encoding: str | None,
    turn: Turn | None = None,
) -> RequestFacts:
    """Return the facts of a request; never raises, what cannot be read is None and told in `parse_error`.

    `headers` in any case of letters, `body` as on the wire; None stands for a body that was not kept whole.
    `turn` is what is known of it.
    """
    problems = Problems()
    what, dialect = operation(method, path)
    said = _said(lasting(headers))
    prompt = _UNREAD
    if body is not None and what in _READ and not said.is_form:
        prompt = _prompt(body, content_encoding, problems, turn, counted=what in _COUNTED)
    account_uuid, session_id = _identity(prompt.user_id) if prompt.user_id else (None, None)
    metadata = next((value for name, value in headers if name.lower() == _METADATA), None)
    return RequestFacts(
        operation=what,
        dialect=dialect,
        model=prompt.model,
        stream=bool(prompt.stream) if what in _STREAMING and prompt.readable else prompt.stream,
        parameters=prompt.parameters,
        message_count=prompt.message_count,
        tool_count=prompt.tool_count,
        image_count=prompt.image_count,
        session_id=said.session_id or session_id,
        agent_id=said.agent_id,
        parent_agent_id=said.parent_agent_id,
        account_uuid=account_uuid,
        client=said.client,
        retry_count=said.retry_count,
        customer_data=None if metadata is None else _customer_data(metadata, problems),
        workflow=said.workflow,
        parse_error=problems.summary(),
    )


def client(user_agent: str | None) -> str | None:
    """Return product and version of a `user-agent`: `claude-cli/2.1.329`, `Anthropic/Python 2.11.0`."""
    found = _CLIENT.match(_COMMENT.sub(" ", (user_agent or "")[:1000]).strip())
    return found[0][:100] if found else None


@lru_cache(_CALLERS)
def _said(headers: Headers) -> _Said:
    named = {name.lower(): value for name, value in reversed(headers)}
    return _Said(
        is_form=named.get("content-type", "").strip().lower().startswith("multipart/"),
        session_id=_name(named.get("x-claude-code-session-id")),
        agent_id=_name(named.get("x-claude-code-agent-id")),
        parent_agent_id=_name(named.get("x-claude-code-parent-agent-id")),
        client=client(named.get("user-agent")),
        retry_count=_count(named.get("x-stainless-retry-count")),
        workflow=_name(named.get("x-proxy-workflow")),
    )


def _prompt(
    body: bytes, content_encoding: str | None, problems: Problems, turn: Turn | None, *, counted: bool
) -> PromptFacts:
    if is_encoded(content_encoding):
        turn = None
        decoded = decode(body, content_encoding)
        if decoded.error:
            problems.note(decoded.error)
            return _UNREAD
        body = decoded.data
    try:
        return prompt_facts(body, problems, counted=counted, turn=turn)
    except Unreadable as error:
        problems.note(str(error))
        return _UNREAD


@lru_cache(_CALLERS)
def _identity(user_id: str) -> tuple[str | None, str | None]:
    """Return (account uuid, session id) of Claude Code's `metadata.user_id`: JSON text, or its older form."""
    older = _OLD_USER_ID.search(user_id)
    if older:
        return older[1], older[2]
    try:
        identity = parse(user_id.encode())
    except Unreadable:
        return None, None
    if not isinstance(identity, dict):
        return None, None
    account = word(identity.get("account_uuid"))
    return account if account and re.fullmatch(_UUID, account) else None, _name(identity.get("session_id"))


def _name(value: Json) -> str | None:
    """A word that can be quoted in queries and links; what ends a quotation or cannot be seen becomes `_`."""
    text = word(value)
    return text and "".join(each if each.isprintable() and each not in '"`\\' else "_" for each in text)


def _count(value: str | None) -> int | None:
    return int(value) if value is not None and re.fullmatch(r"[0-9]{1,4}", value) else None


def _customer_data(text: str, problems: Problems) -> str | None:
    sent = text.encode("utf-8", "surrogateescape")
    if len(sent) > MAX_CUSTOMER_DATA_BYTES:
        problems.note(f"x-proxy-metadata is larger than {MAX_CUSTOMER_DATA_BYTES} bytes")
        return None
    try:
        value = parse(sent)
    except Unreadable as error:
        problems.note(f"x-proxy-metadata: {error}")
        return None
    if not isinstance(value, dict):
        problems.note("x-proxy-metadata is not an object")
        return None
    return compact(value)
