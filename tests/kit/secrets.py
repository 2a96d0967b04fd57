"""One secret of every kind that is known, as people write them."""

from __future__ import annotations

import random
import string

_CHANCE = random.Random(5)


def chars(count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """So many characters, at least one of them a digit, one a capital where there are any."""
    made = "".join(_CHANCE.choices(alphabet, k=count - 2))
    return (
        made
        + _CHANCE.choice([char for char in alphabet if char in string.digits or alphabet.isalpha()])
        + alphabet[-20]
    )


HEX = "0123456789abcdef" * 2
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
UPPER = string.ascii_uppercase + string.digits

SECRETS = {
    "anthropic": f"sk-ant-api03-{chars(95)}",
    "anthropic_base64": f"c2stYW50LWFwaTAz{chars(40)}",
    "openrouter": f"sk-or-v1-{chars(64, HEX)}",
    "openai": f"sk-proj-{chars(48)}T3BlbkFJ{chars(48)}",
    "aws_access_key": f"AKIA{chars(16, BASE32)}",
    "aws_secret_key": f"aws_secret_access_key = {chars(40)}",
    "github": f"ghp_{chars(36)}",
    "github_fine_grained": f"github_pat_{chars(22)}_{chars(59)}",
    "gitlab": f"glpat-{chars(20)}",
    "slack": f"xoxb-123456789012-{chars(24)}",
    "slack_webhook": f"https://hooks.slack.com/services/T01234567/B01234567/{chars(24)}",
    "discord_webhook": f"https://discord.com/api/webhooks/123456789012345678/{chars(68)}",
    "google": f"AIza{chars(35)}",
    "google_oauth": f"ya29.{chars(120)}",
    "stripe": f"sk_live_{chars(24)}",
    "npm": f"npm_{chars(36)}",
    "pypi": f"pypi-AgEIcHlwaS5vcmc{chars(80)}",
    "sendgrid": f"SG.{chars(22)}.{chars(43)}",
    "huggingface": f"hf_{chars(34)}",
    "twilio": f"twilio.rest.Client: SK{chars(32, HEX)}",
    "digitalocean": f"dop_v1_{chars(64, HEX)}",
    "docker": f"dckr_pat_{chars(27)}",
    "vault": f"hvs.{chars(90)}",
    "shopify": f"shpat_{chars(32, HEX)}",
    "grafana": f"glsa_{chars(32)}_{chars(8, HEX)}",
    "groq": f"gsk_{chars(52)}",
    "xai": f"xai-{chars(80)}",
    "perplexity": f"pplx-{chars(48)}",
    "nvidia": f"nvapi-{chars(64)}",
    "databricks": f"dapi{chars(32, HEX)}",
    "linear": f"lin_api_{chars(40)}",
    "notion": f"ntn_{chars(46)}",
    "figma": f"figd_{chars(40)}",
    "sentry": f"sntrys_{chars(80)}",
    "newrelic": f"NRAK-{chars(27, UPPER)}",
    "postman": f"PMAK-{chars(24, HEX)}-{chars(34, HEX)}",
    "atlassian": f"ATATT3{chars(180)}",
    "supabase": f"sbp_{chars(40, HEX)}",
    "telegram": f"1234567890:AAF{chars(32)}",
    "mailgun": f"key-{chars(32, HEX)}",
    "age": f"AGE-SECRET-KEY-1{chars(58, UPPER)}",
    "azure": f"abC8Q~{chars(34)}",
    "azure_storage": f"AccountName=a;AccountKey={chars(86)}==;EndpointSuffix=core.windows.net",
    "jwt": f"eyJhbGciOiJIUzI1NiJ9.eyJ{chars(40)}.{chars(43)}",
    "private_key": f"-----BEGIN RSA PRIVATE KEY-----\n{chars(64)}\n{chars(64)}\n-----END RSA PRIVATE KEY-----",
    "url_password": f"postgres://app:{chars(12)}@db.internal:5432/app",
    "url_parameter": f"https://api.example.com/v1?a=1&api_key={chars(20)}",
    "assignment": f"MY_SERVICE_TOKEN={chars(24)}",
    "json_field": f'{{"client_secret": "{chars(24)}"}}',
    "authorization": f"Authorization: Bearer {chars(40)}",
}
