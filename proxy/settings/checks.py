"""Rules that one value alone cannot break: addresses, names, loops, and what is not built yet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from proxy.settings import patterns
from proxy.settings.addresses import Address, leads_to, of_url, parse
from proxy.settings.errors import SettingsError
from proxy.settings.shape import Endpoint, Settings
from proxy.settings.units import duration_text
from proxy.settings.values import shown

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_PATH = re.compile(r"/[A-Za-z0-9][A-Za-z0-9._~-]{0,62}")
_HOST = re.compile(r"\*|[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_OWN_PATHS = ("/healthz", "/readyz")
_API_PATHS = ("/v1", "/api")
"""Where clients' own requests begin: an endpoint there would take them from the default one."""

MOST_RULES = 32
"""Each rule is one more search of every body."""
MOST_HEADERS = 100
"""What zttp takes of a request."""

_Mistake = tuple[str, str]
"""Key, and what is wrong with it."""


def check(settings: Settings, origins: Mapping[str, str]) -> None:
    """Raises SettingsError for the first rule that the settings break."""
    rules = (_not_built, _redaction, _retention, _parser, _listening, _hosts, _upstreams, _endpoints, _loops)
    for rule in rules:
        for key, problem in rule(settings):
            raise SettingsError(f"{key} {problem}", where=origins.get(key))


def refuse_loops(settings: Settings, listeners: Iterable[Address]) -> None:
    """Raises SettingsError if an upstream is one of these listeners, which is known only once ports are chosen."""
    for key, problem in _loops_to(settings, tuple(listeners)):
        raise SettingsError(f"{key} {problem}")


def _not_built(settings: Settings) -> Iterator[_Mistake]:
    for name, endpoint in settings.endpoints.items():
        if len(endpoint.upstreams) > 1:
            yield f"endpoints.{name}.upstreams", "names several: failover is not built yet; name one"


def _redaction(settings: Settings) -> Iterator[_Mistake]:
    if len(settings.capture.redact) > MOST_RULES:
        yield "capture.redact", f"has more than {MOST_RULES} rules; join some with |"
    for name, rule in settings.capture.redact.items():
        key = f"capture.redact.{name}.pattern"
        if not _NAME.fullmatch(name):
            yield key, f"stands under the name {shown(name)}: expected lower-case letters, digits, - and _"
        wrong = patterns.mistake(rule.pattern)
        if wrong is not None:
            yield key, f"= {shown(rule.pattern)}: {wrong}"


def _retention(settings: Settings) -> Iterator[_Mistake]:
    kept = settings.retention
    if kept.bodies > kept.metadata:
        yield (
            "retention.bodies",
            f'= "{duration_text(kept.bodies)}" is longer than retention.metadata ({duration_text(kept.metadata)}),'
            " when bodies go, too; shorten it or lengthen that",
        )


def _parser(settings: Settings) -> Iterator[_Mistake]:
    if settings.relay.parser == "zttp" and settings.relay.max_headers > MOST_HEADERS:
        yield (
            "relay.max_headers",
            f'= {settings.relay.max_headers}: zttp takes at most {MOST_HEADERS}; lower it or set relay.parser = "h11"',
        )


def _listening(settings: Settings) -> Iterator[_Mistake]:
    for key, listen in _listens(settings):
        if parse(listen) is None:
            yield key, f"= {shown(listen)}: expected HOST:PORT such as 127.0.0.1:8080"
    if settings.relay.listen == settings.inspector.listen and not settings.relay.listen.endswith(":0"):
        yield "inspector.listen", f"= {shown(settings.inspector.listen)} is the relay's address too; change one"


def _hosts(settings: Settings) -> Iterator[_Mistake]:
    for room, hosts in (("relay", settings.relay.allowed_hosts), ("inspector", settings.inspector.allowed_hosts)):
        for host in hosts:
            if not _HOST.fullmatch(host):
                yield f"{room}.allowed_hosts", f"names {shown(host)}: expected a host name without port"
    for key, listen in _listens(settings):
        address, room = parse(listen), key.partition(".")[0]
        hosts = settings.relay.allowed_hosts if room == "relay" else settings.inspector.allowed_hosts
        if address is not None and not address.loopback and not hosts:
            yield key, f"= {shown(listen)} lets other machines in; name the hosts they use in {room}.allowed_hosts"


def _upstreams(settings: Settings) -> Iterator[_Mistake]:
    for name, upstream in settings.upstreams.items():
        key = f"upstreams.{name}.url"
        if not _NAME.fullmatch(name):
            yield key, f"stands under the name {shown(name)}: expected lower-case letters, digits, - and _"
        if "@" in upstream.url.split("?")[0]:
            yield key, "holds a credential; send it in the request's headers"
        elif not upstream.url.startswith(("http://", "https://")) or of_url(upstream.url) is None:
            yield key, f"= {shown(upstream.url)}: expected a URL such as https://api.anthropic.com"
        elif urlsplit(upstream.url).query or urlsplit(upstream.url).fragment or not upstream.url.isascii():
            yield key, f"= {shown(upstream.url)}: expected a URL without query and fragment, in ASCII"


def _endpoints(settings: Settings) -> Iterator[_Mistake]:
    seen: dict[str, str] = {}
    for name, endpoint in settings.endpoints.items():
        yield from _endpoint(name, endpoint, settings)
        if endpoint.path in seen:
            yield f"endpoints.{name}.path", f"= {shown(endpoint.path)} is the path of {seen[endpoint.path]} too"
        seen[endpoint.path] = name


def _endpoint(name: str, endpoint: Endpoint, settings: Settings) -> Iterator[_Mistake]:
    if not _NAME.fullmatch(name):
        problem = f"stands under the name {shown(name)}: expected lower-case letters, digits, - and _"
        yield f"endpoints.{name}.path", problem
    if endpoint.path and not _PATH.fullmatch(endpoint.path):
        yield f"endpoints.{name}.path", f'= {shown(endpoint.path)}: expected one segment such as "/production"'
    if endpoint.path in _OWN_PATHS:
        yield f"endpoints.{name}.path", f"= {shown(endpoint.path)} is answered by the proxy itself; choose another"
    if endpoint.path in _API_PATHS:
        yield (
            f"endpoints.{name}.path",
            f"= {shown(endpoint.path)} begins every client's requests; choose another",
        )
    for upstream in endpoint.upstreams:
        if upstream not in settings.upstreams:
            known = ", ".join(settings.upstreams)
            yield f"endpoints.{name}.upstreams", f"names {shown(upstream)}: expected one of {known}"
    if not endpoint.upstreams:
        yield f"endpoints.{name}.upstreams", f"is empty; name one of {', '.join(settings.upstreams)}"


def _loops(settings: Settings) -> Iterator[_Mistake]:
    addresses = (parse(listen) for _, listen in _listens(settings))
    yield from _loops_to(settings, tuple(address for address in addresses if address is not None))


def _loops_to(settings: Settings, listeners: tuple[Address, ...]) -> Iterator[_Mistake]:
    for name, upstream in settings.upstreams.items():
        target = of_url(upstream.url)
        if target is not None and any(leads_to(target, listener) for listener in listeners):
            yield f"upstreams.{name}.url", f"= {shown(upstream.url)} is this proxy itself; name the server behind it"


def _listens(settings: Settings) -> tuple[_Mistake, _Mistake]:
    return ("relay.listen", settings.relay.listen), ("inspector.listen", settings.inspector.listen)
