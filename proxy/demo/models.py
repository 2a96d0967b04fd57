"""The models that the fake upstream lists; any other name is answered as well."""

from __future__ import annotations

from proxy.demo.shapes import Block

MODELS = (
    ("claude-sonnet-5-5", "Claude Sonnet 5.5", "2026-08-25T00:00:00Z"),
    ("claude-opus-4-6", "Claude Opus 4.6", "2026-02-04T00:00:00Z"),
    ("claude-sonnet-4-6", "Claude Sonnet 4.6", "2026-02-17T00:00:00Z"),
    ("claude-haiku-4-5-20251001", "Claude Haiku 4.5", "2025-10-15T00:00:00Z"),
)


def model_page() -> Block:
    """The body of `GET /v1/models`."""
    entries = [_entry(*model) for model in MODELS]
    return {"data": entries, "has_more": False, "first_id": entries[0]["id"], "last_id": entries[-1]["id"]}


def model_entry(model_id: str) -> Block | None:
    """The body of `GET /v1/models/<id>`, `None` for an unknown one."""
    return next((_entry(*model) for model in MODELS if model[0] == model_id), None)


def _entry(model_id: str, display_name: str, created_at: str) -> Block:
    return {"type": "model", "id": model_id, "display_name": display_name, "created_at": created_at}
