"""The kinds of secrets that are masked in whatever is stored, whoever they belong to.

Each kind has anchors, fixed texts of at least four bytes one of which stands in every secret of the kind: looking for
all of them is one pass over a body, and a pattern is tried only where one is found. Shapes are those that providers
publish: https://docs.github.com/en/code-security/reference/secret-security/supported-secret-scanning-patterns
"""

from __future__ import annotations

import re
from typing import NamedTuple

_START = rb"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt]))"
"""No word goes on here; in JSON, a line may begin after `\\n`."""
_END = rb"(?![A-Za-z0-9_])"
_PLAIN = rb"(?!\*\*\*)"
"""What is masked already stays."""
_QUOTE = rb"\\{0,3}[\"']"
"""In JSON inside JSON, quotes are escaped."""
_GAP = rb"[\"'\\\s]{0,8}"


class Kind(NamedTuple):
    """One kind of secret."""

    name: str
    """Value of the label `rule`."""
    anchors: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    """Its group 1, else all of it, is the secret; every repeat is bounded."""
    before: int = 0
    """Most bytes from its beginning to its anchor."""


def _kind(name: str, anchors: str, pattern: bytes, before: int = 0) -> Kind:
    """`anchors` are separated by `|`."""
    return Kind(name, tuple(anchors.encode().split(b"|")), re.compile(pattern), before)


def _token(name: str, prefixes: str, rest: bytes) -> Kind:
    """A secret that is told by its prefix."""
    return _kind(name, prefixes, _START + b"(?:" + re.escape(prefixes.encode()).replace(rb"\|", b"|") + b")" + rest)


def _after(prefix: str, befores: str = ' "=:n') -> str:
    """Anchors of a prefix too short to be one: it with each byte that comes before it in text, JSON and assignments."""
    return "|".join(before + prefix for before in befores)


KINDS = (
    _token("anthropic", "sk-ant-", rb"[\w-]{10,512}"),
    _kind(
        "anthropic_base64",
        "c2stYW50L|zay1hbnQt|NrLWFudC",
        rb"(?:c2stYW50L|zay1hbnQt|NrLWFudC)[A-Za-z0-9+/_=-]{12,2048}",
    ),
    _token("openrouter", "sk-or-v1-", rb"[0-9a-f]{32,128}"),
    _kind(
        "openai",
        _after("sk-", " \"=:n'"),
        rb"(?:[^A-Za-z0-9_]|(?<=\\)n)(sk-(?:(?=[\w-]{0,64}[A-Z])(?=[\w-]{0,64}\d)[\w-]{20,256}|[a-z0-9]{32,128}))"
        + _END,
    ),
    _kind("aws_access_key", "AKIA|ASIA", _START + rb"A[KS]IA[A-Z2-7]{16}" + _END),
    _kind(
        "aws_secret_key",
        "ecret_access_key|ECRET_ACCESS_KEY|ecretAccessKey",
        rb"(?i:ecret_?access_?key)" + _GAP + b"[:=>]{1,2}" + _GAP + rb"([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])",
    ),
    _token("github", "ghp_|gho_|ghu_|ghs_|ghr_", rb"[A-Za-z0-9]{36,255}"),
    _token("github_fine_grained", "github_pat_", rb"\w{60,255}"),
    _token("gitlab", "glpat-|gldt-|glrt-", rb"[\w.-]{20,300}"),
    _token("slack", "xoxb-|xoxp-|xoxa-|xoxs-|xapp-", rb"[\w-]{10,300}"),
    _kind("slack_webhook", "hooks.slack.com/", rb"hooks\.slack\.com/(?:services|workflows)/([\w/+-]{20,128})"),
    _kind("discord_webhook", "/api/webhooks/", rb"/api/webhooks/(\d{15,22}/[\w-]{40,100})"),
    _token("google", "AIza", rb"[\w-]{35}(?![\w-])"),
    _token("google_oauth", "ya29.|GOCSPX-", rb"[\w-]{20,1024}"),
    _token("stripe", "sk_live_|sk_test_|rk_live_|whsec_", rb"[A-Za-z0-9+/]{16,255}"),
    _token("npm", "npm_", rb"[A-Za-z0-9]{36}" + _END),
    _token("pypi", "pypi-", rb"AgE[\w-]{50,1024}"),
    _kind("sendgrid", _after("SG."), rb"(?:[^A-Za-z0-9_]|(?<=\\)n)(SG\.[\w-]{16,32}\.[\w-]{32,64})"),
    _kind("huggingface", _after("hf_"), rb"(?:[^A-Za-z0-9_]|(?<=\\)n)(hf_[A-Za-z0-9]{30,64})"),
    _kind("twilio", "wilio", rb"wilio[^\n]{0,64}?[^A-Za-z0-9]((?:SK)?[0-9a-f]{32})" + _END),
    _token("digitalocean", "dop_v1_", rb"[0-9a-f]{64}"),
    _token("docker", "dckr_pat_", rb"[\w-]{20,64}"),
    _token("vault", "hvs.", rb"[\w-]{24,300}"),
    _token("shopify", "shpat_", rb"[0-9a-fA-F]{32}"),
    _token("grafana", "glsa_", rb"[\w+/=-]{32,400}"),
    _token("groq", "gsk_", rb"[A-Za-z0-9]{40,64}"),
    _token("xai", "xai-", rb"[A-Za-z0-9]{60,100}"),
    _token("perplexity", "pplx-", rb"[A-Za-z0-9]{40,64}"),
    _token("nvidia", "nvapi-", rb"[\w-]{50,100}"),
    _token("databricks", "dapi", rb"[0-9a-f]{32}"),
    _token("linear", "lin_api_", rb"[A-Za-z0-9]{32,64}"),
    _token("notion", "ntn_", rb"[A-Za-z0-9]{40,64}"),
    _token("figma", "figd_", rb"[\w-]{36,64}"),
    _token("sentry", "sntrys_", rb"[\w+/=-]{40,500}"),
    _token("newrelic", "NRAK-", rb"[A-Z0-9]{27}"),
    _token("postman", "PMAK-", rb"[0-9a-f]{24}-[0-9a-f]{34}"),
    _token("atlassian", "ATATT3", rb"[\w=-]{60,300}"),
    _token("supabase", "sbp_", rb"[0-9a-f]{40}"),
    _kind("telegram", ":AAE|:AAF|:AAG|:AAH", rb"(?<!\d)(\d{8,10}:AA[E-H][\w-]{32})(?![\w-])", before=10),
    _kind("mailgun", "key-", _START + rb"key-[0-9a-f]{32}" + _END),
    _token("age", "AGE-SECRET-KEY-1", rb"[A-Z0-9]{50,80}"),
    _kind("azure", "7Q~|8Q~", rb"(?:(?<![\w.~-])|(?<=\\[nrt]))([\w.~-]{3}[78]Q~[\w.~-]{31,34})(?![\w.~-])", before=3),
    _kind("azure_storage", "tKey=|sKey=", rb"(?:Account|SharedAccess)Key=([A-Za-z0-9+/]{40,88}={0,2})", before=15),
    _kind(
        "jwt",
        "eyJh|eyJ0|eyJr",
        _START + rb"eyJ[\w-]{8,4096}+\.[\w-]{8,16384}+(?:\.[\w-]{8,4096}+){1,3}",
    ),
    _kind(
        "private_key",
        "-----BEGIN",
        rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        rb"((?:[A-Za-z0-9+/=\s:,.()]|\\{1,8}[nrt]|-(?!----)){16,20000}+)",
    ),
    _kind(
        "url_password",
        r"p://|s://|l://|b://|v://|:\/\/",
        rb"[a-z]?:(?:\\?/){2}[^\s/?#:@\"'\\<>{}]{0,256}:" + _PLAIN + rb"([^\s/?#@\"'\\<>{}]{3,256})@",
    ),
    _kind(
        "url_parameter",
        "?key|&key|?api|&api|?acc|&acc|?tok|&tok|?sec|&sec|?pas|&pas|?sig|&sig|?aut|&aut|?cli|&cli|-Amz-S",
        rb"(?i)(?:[?&]|-amz-)(?:(?:api|access|auth|client|security)[_-]?)?(?:key|token|secret|pass(?:word|wd)?|"
        rb"sig(?:nature)?|auth|credential)=" + _PLAIN + rb"([^\s&;\"'#<>\\{}]{6,4096})",
    ),
    _kind(
        "assignment",
        "_KEY=|_TOKEN=|_SECRET=|PASSWORD=|PASSWD=",
        rb"(?:_(?:KEY|TOKEN|SECRET)|PASSW(?:OR)?D)=(?:" + _QUOTE + b")?" + _PLAIN + rb"([^\s\"'\\$(){}<>;&,]{8,512})",
    ),
    _kind(
        "json_field",
        'ccess_token|efresh_token|_id_token|"id_token|client_secret|api_key|apiKey|_password|"password|"secret',
        rb"[\"_]?(?:ccess_token|efresh_token|id_token|client_secret|api_key|apiKey|password|secret(?:_key)?)"
        + _QUOTE
        + rb"\s{0,8}:\s{0,8}"
        + _QUOTE
        + _PLAIN
        + rb"([^\"'\\\s]{8,4096})(?="
        + _QUOTE
        + b")",
    ),
    _kind(
        "authorization",
        "Bearer |bearer |Basic ",
        rb"(?:[Bb]earer|Basic)\s" + _PLAIN + rb"(?=[A-Za-z._~+/-]{0,64}[\d=])([\w.~+/=-]{12,8192})",
    ),
)
"""In the order in which they are tried where several have the same anchor."""
