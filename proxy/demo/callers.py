"""Who sends the sample traffic: dummy credentials and the header lines of their clients."""

from __future__ import annotations

import json
from dataclasses import dataclass

from proxy.demo.chance import seeded, uuid
from proxy.demo.shapes import Pairs

BETAS = (
    "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,"
    "thinking-token-count-2026-05-13,advanced-tool-use-2025-11-20,effort-2025-11-24"
)
OAUTH_BETAS = ",oauth-2025-04-20,extended-cache-ttl-2025-04-11"


@dataclass(frozen=True)
class CallerProfile:
    """One person or machine with one credential."""

    name: str
    credential: str
    agent: bool
    """A coding agent; otherwise a script using the Python SDK."""

    @property
    def oauth(self) -> bool:
        """Whether it is a subscription."""
        return self.credential.startswith("sk-ant-oat")

    def lines(self) -> Pairs:
        """The header lines that are the same in all its requests."""
        lines = _agent_lines() if self.agent else _script_lines()
        if self.oauth:
            return [*lines, ("authorization", f"Bearer {self.credential}"), ("anthropic-beta", BETAS + OAUTH_BETAS)]
        if self.agent:
            return [*lines, ("x-api-key", self.credential), ("anthropic-beta", BETAS)]
        return [*lines, ("Authorization", f"Bearer {self.credential}")]

    def user_id(self, session_id: str) -> str:
        """The JSON string of `metadata.user_id`."""
        random = seeded("device", self.name)
        device, account = f"{random.getrandbits(256):064x}", uuid(random) if self.oauth else ""
        return json.dumps({"device_id": device, "account_uuid": account, "session_id": session_id})


CALLERS = (
    CallerProfile("ada", "sk-ant-oat01-demo-ada-0000000000000000000000", agent=True),
    CallerProfile("ben", "sk-ant-oat01-demo-ben-0000000000000000000000", agent=True),
    CallerProfile("build", "sk-ant-api03-demo-build-00000000000000000000", agent=True),
    CallerProfile("inbox", "sk-ant-api03-demo-inbox-00000000000000000000", agent=False),
)


def _agent_lines() -> Pairs:
    return [
        ("Accept", "application/json"),
        ("X-Stainless-Retry-Count", "0"),
        ("X-Stainless-Timeout", "600"),
        ("X-Stainless-Lang", "js"),
        ("X-Stainless-Package-Version", "1.11.0"),
        ("X-Stainless-OS", "Linux"),
        ("X-Stainless-Arch", "x64"),
        ("X-Stainless-Runtime", "node"),
        ("X-Stainless-Runtime-Version", "v24.3.0"),
        ("anthropic-version", "2023-06-01"),
        ("x-app", "cli"),
        ("User-Agent", "claude-cli/2.1.329 (external, cli)"),
        ("content-type", "application/json"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
    ]


def _script_lines() -> Pairs:
    return [
        ("Accept-Encoding", "gzip, deflate"),
        ("x-stainless-retry-count", "0"),
        ("x-stainless-read-timeout", "600"),
        ("Accept", "application/json"),
        ("Content-Type", "application/json"),
        ("User-Agent", "Anthropic/Python 2.11.0"),
        ("X-Stainless-Lang", "python"),
        ("X-Stainless-Package-Version", "2.11.0"),
        ("X-Stainless-OS", "Linux"),
        ("X-Stainless-Arch", "x64"),
        ("X-Stainless-Runtime", "CPython"),
        ("X-Stainless-Runtime-Version", "3.13.1"),
        ("X-Stainless-Async", "false"),
        ("anthropic-version", "2026-10-21"),
    ]
