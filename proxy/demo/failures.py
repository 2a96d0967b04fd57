"""Error answers: status, headers of their own, body in the API's shape (or not, where a proxy in between answers)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

from proxy.demo.shapes import Block

CONTEXT_TOKENS = 200_000


@dataclass(frozen=True)
class Failure:
    """One error answer."""

    status: int
    error_type: str
    message: str
    headers: tuple[tuple[str, str], ...] = ()


FAILURES: dict[str, Failure] = {
    "minute_limit": Failure(
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit of 4,000 requests per minute.",
        (("retry-after", "12"),),
    ),
    "limit_reached": Failure(
        429, "rate_limit_error", "This request would exceed your account's rate limit. Please try again later."
    ),
    "overloaded": Failure(529, "overloaded_error", "Overloaded", (("x-should-retry", "true"),)),
    "api_error": Failure(500, "api_error", "Internal server error", (("x-should-retry", "true"),)),
    "unauthorized": Failure(401, "authentication_error", "invalid x-api-key", (("x-should-retry", "false"),)),
    "not_found": Failure(404, "not_found_error", "Not Found"),
    "not_allowed": Failure(405, "invalid_request_error", "Method Not Allowed"),
}

HTML_502 = b"""<html>
<head><title>502 Bad Gateway</title></head>
<body>
<center><h1>502 Bad Gateway</h1></center>
<hr><center>cloudflare</center>
</body>
</html>
"""


def failure(name: str, random: Random, prompt_tokens: int) -> Failure:
    """The error answer called `name`; `prompt_tokens` is what the request really holds."""
    if name == "rate_limited":
        message = "Number of requests has exceeded your rate limit. Please try again later."
        headers = (("retry-after", str(random.randint(1, 4))), ("x-should-retry", "true"))
        return Failure(429, "rate_limit_error", message, headers)
    if name == "prompt_too_long":
        invented = CONTEXT_TOKENS + random.randint(1, 40_000)
        tokens = prompt_tokens if prompt_tokens > CONTEXT_TOKENS else invented
        return bad_request(f"prompt is too long: {tokens} tokens > {CONTEXT_TOKENS} maximum")
    return FAILURES[name]


def bad_request(message: str) -> Failure:
    """400 with the API's wording."""
    return Failure(400, "invalid_request_error", message)


def error_body(error_type: str, message: str, request_id: str) -> Block:
    """The error object, as it is sent as a body and as an `error` event."""
    error = {"details": None, "type": error_type, "message": message}
    return {"type": "error", "error": error, "request_id": request_id}


def error_bytes(failed: Failure, request_id: str) -> bytes:
    """The body of an error answer."""
    body = error_body(failed.error_type, failed.message, request_id)
    return json.dumps(body, separators=(",", ":")).encode()
