"""Where telemetry goes: the standard `OTEL_*` variables, read once and frozen.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/ decides names, units and precedence. Variables that do not
concern this product are ignored; those that ask for something it does not do are errors.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from msgspec import Struct, field

from proxy.names.attributes import SERVICE_NAME
from proxy.settings.addresses import of_url
from proxy.settings.errors import SettingsError

METRIC_INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
HTTP = "http/protobuf"
GRPC = "grpc"

_PREFIX = "OTEL_EXPORTER_OTLP_"
_BINARY = re.compile(r"-bin$", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]*")
_LONGEST_ATTRIBUTE = 1024
_GRPC_PORT = 4317
_CUMULATIVE = "cumulative"
_SERVICE = "anthropic-proxy"
_TIMEOUT_S = 10.0
_PLAIN = "none"
_EVERYTHING = "always_on"
_SAMPLERS = (
    _EVERYTHING,
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)


class Exporter(Struct, frozen=True, forbid_unknown_fields=True):
    """How one signal is delivered."""

    endpoint: str
    """Full URL, path included; for gRPC scheme, host and port."""
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every export; secrets."""
    timeout: float = _TIMEOUT_S
    """Seconds for one export, retries of the client included."""
    compression: str = _PLAIN
    """`none` or `gzip`."""
    certificate: str | None = None
    """File with the authorities trusted to sign the receiver's certificate."""
    client_certificate: str | None = None
    client_key: str | None = None
    protocol: str = HTTP
    """`http/protobuf` or `grpc`."""

    def __repr__(self) -> str:
        return f"Exporter({self.endpoint!r}, headers={sorted(self.headers)})"


class Otlp(Struct, frozen=True, forbid_unknown_fields=True):
    """Exporters by signal; None: that signal is not exported."""

    metrics: Exporter | None = None
    logs: Exporter | None = None
    traces: Exporter | None = None
    service_name: str = _SERVICE
    resource: dict[str, str] = field(default_factory=dict)
    """Further resource attributes."""
    sampler: str = _EVERYTHING
    """A sampler's standard name; spans are exported whatever the caller sampled unless one is chosen."""
    sampler_ratio: float = 1.0
    disabled: bool = False
    """The SDK was switched off as a whole; then no signal has an exporter."""
    temporality: str = _CUMULATIVE
    """The preference for metrics; they are cumulative whatever it is."""

    @property
    def temporality_ignored(self) -> bool:
        """Whether something else than what metrics are was asked for."""
        return self.temporality.lower() != _CUMULATIVE


def read_otlp(environ: Mapping[str, str]) -> Otlp:
    """The exporters that the variables describe. Raises SettingsError."""
    _refuse_unbuilt(environ)
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    resource = _resource(environ)
    named = resource.pop(SERVICE_NAME, None)
    sampler = environ.get("OTEL_TRACES_SAMPLER") or _EVERYTHING
    if sampler not in _SAMPLERS:
        raise _expected("OTEL_TRACES_SAMPLER", sampler, f"one of {', '.join(_SAMPLERS)}")
    return Otlp(
        metrics=None if disabled else _exporter(environ, "METRICS"),
        logs=None if disabled else _exporter(environ, "LOGS"),
        traces=None if disabled else _exporter(environ, "TRACES"),
        service_name=environ.get("OTEL_SERVICE_NAME") or named or _SERVICE,
        resource=resource,
        sampler=sampler,
        sampler_ratio=_number(environ, "OTEL_TRACES_SAMPLER_ARG", 1.0, most=1.0),
        disabled=disabled,
        temporality=environ.get(TEMPORALITY, "").strip() or _CUMULATIVE,
    )


def read_metric_interval(environ: Mapping[str, str]) -> float | None:
    """Seconds between two exports of metrics; None if the variable is not set. Raises SettingsError."""
    if not environ.get(METRIC_INTERVAL, "").strip():
        return None
    return _number(environ, METRIC_INTERVAL, 0.0) / 1000


def hush_grpc() -> None:
    """Before gRPC is loaded: no lines of its own for every failure, unless somebody asked for them."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def _exporter(environ: Mapping[str, str], signal: str) -> Exporter | None:
    if not _wanted(environ, f"OTEL_{signal}_EXPORTER"):
        return None
    chosen = variable(environ, signal, "PROTOCOL")
    protocol = HTTP if chosen is None else environ[chosen].strip()
    if chosen is not None and protocol not in (HTTP, GRPC):
        raise SettingsError(f"{protocol!r} is not built; use {HTTP} or {GRPC}", where=chosen)
    endpoint = _endpoint(environ, signal) if protocol == HTTP else _grpc_endpoint(environ, signal)
    if endpoint is None:
        return None
    compression = variable(environ, signal, "COMPRESSION")
    if compression is not None and environ[compression] not in ("gzip", _PLAIN):
        raise _expected(compression, environ[compression], "gzip or none")
    timeout = variable(environ, signal, "TIMEOUT")
    _refuse_half_a_pair(environ, signal, protocol)
    return Exporter(
        endpoint=endpoint,
        headers=_headers(environ, "HEADERS", protocol) | _headers(environ, f"{signal}_HEADERS", protocol),
        timeout=_TIMEOUT_S if timeout is None else _number(environ, timeout, _TIMEOUT_S * 1000) / 1000,
        compression=_PLAIN if compression is None else environ[compression],
        certificate=_value(environ, signal, "CERTIFICATE"),
        client_certificate=_value(environ, signal, "CLIENT_CERTIFICATE"),
        client_key=_value(environ, signal, "CLIENT_KEY"),
        protocol=protocol,
    )


def _refuse_half_a_pair(environ: Mapping[str, str], signal: str, protocol: str) -> None:
    """A key is nothing without its certificate; for HTTP, the certificate's file may hold the key, too."""
    certificate, key = variable(environ, signal, "CLIENT_CERTIFICATE"), variable(environ, signal, "CLIENT_KEY")
    if key is not None and certificate is None:
        raise SettingsError("has no certificate; set …_CLIENT_CERTIFICATE, too", where=key)
    if certificate is not None and key is None and protocol == GRPC:
        raise SettingsError("has no key, which gRPC wants; set …_CLIENT_KEY, too", where=certificate)


def _wanted(environ: Mapping[str, str], name: str) -> bool:
    exporters = {part.strip() for part in environ.get(name, "").split(",")} - {""}
    foreign = sorted(exporters - {"otlp", "none"})
    if foreign:
        raise _expected(name, environ[name], "otlp or none")
    return exporters != {"none"}


def _endpoint(environ: Mapping[str, str], signal: str) -> str | None:
    """A signal's own variable is used as it is, the general one gets the signal's path."""
    name = variable(environ, signal, "ENDPOINT")
    if name is None:
        return None
    url = _url(environ[name].strip(), name, 4318)
    return url if name.endswith(f"{signal}_ENDPOINT") else f"{url.rstrip('/')}/v1/{signal.lower()}"


def _grpc_endpoint(environ: Mapping[str, str], signal: str) -> str | None:
    """Scheme, host and port, 4317 unless stated; where no scheme is, `…_INSECURE` decides about TLS."""
    name = variable(environ, signal, "ENDPOINT")
    if name is None:
        return None
    text = environ[name].strip()
    if "://" not in text:
        insecure = variable(environ, signal, "INSECURE")
        plain = insecure is not None and environ[insecure].strip().lower() == "true"
        text = f"{'http' if plain else 'https'}://{text}"
    parts = urlsplit(_url(text, name, _GRPC_PORT))
    return f"{parts.scheme}://{parts.netloc}" if parts.port else f"{parts.scheme}://{parts.netloc}:{_GRPC_PORT}"


def _url(text: str, name: str, port: int) -> str:
    if not text.startswith(("http://", "https://")) or of_url(text) is None:
        raise SettingsError(f"expected an http or https URL such as http://127.0.0.1:{port}", where=name)
    if "@" in urlsplit(text).netloc:
        raise SettingsError(f"the URL holds a credential; send it by {_PREFIX}HEADERS", where=name)
    return text


def variable(environ: Mapping[str, str], signal: str, option: str) -> str | None:
    """The variable that decides an option of a signal; an empty one counts as unset."""
    names = (f"{_PREFIX}{signal}_{option}", f"{_PREFIX}{option}")
    return next((name for name in names if environ.get(name, "").strip()), None)


def _value(environ: Mapping[str, str], signal: str, option: str) -> str | None:
    name = variable(environ, signal, option)
    return None if name is None else environ[name]


def _headers(environ: Mapping[str, str], option: str, protocol: str) -> dict[str, str]:
    name = f"{_PREFIX}{option}"
    headers = _pairs(environ, name)
    if not all(_HEADER_NAME.fullmatch(field) and value.isprintable() for field, value in headers.items()):
        raise SettingsError("holds what cannot be sent as an HTTP header; percent-encode values only", where=name)
    if protocol == GRPC and not all(value.isascii() and not _BINARY.search(field) for field, value in headers.items()):
        raise SettingsError("gRPC takes values of ASCII only, and no names that end with -bin", where=name)
    return headers


def _resource(environ: Mapping[str, str]) -> dict[str, str]:
    """Attributes that every receiver takes: for one that it does not, Loki refuses each record that carries them."""
    name = "OTEL_RESOURCE_ATTRIBUTES"
    attributes = _pairs(environ, name)
    for key, value in attributes.items():
        if not _ATTRIBUTE_NAME.fullmatch(key) or not value.isprintable() or len(value.encode()) > _LONGEST_ATTRIBUTE:
            raise SettingsError(
                f"names must be of ASCII letters, digits and _.:/-, values printable and at most {_LONGEST_ATTRIBUTE}"
                f" bytes, unlike {key[:50]!r}",
                where=name,
            )
    return attributes


def _pairs(environ: Mapping[str, str], name: str) -> dict[str, str]:
    """`a=1,b=2`, percent-encoded (https://opentelemetry.io/docs/specs/otel/resource/sdk/)."""
    pairs: dict[str, str] = {}
    for part in environ.get(name, "").split(","):
        key, equals, value = part.partition("=")
        if not part.strip():
            continue
        if not equals or not key.strip():
            raise SettingsError("expected comma-separated name=value pairs, percent-encoded", where=name)
        pairs[unquote(key.strip())] = unquote(value.strip())
    return pairs


def _number(environ: Mapping[str, str], name: str, default: float, most: float = 1e9) -> float:
    text = environ.get(name, "").strip()
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise _expected(name, text, f"a number from 0 to {most:,.0f}")
    return value


def _refuse_unbuilt(environ: Mapping[str, str]) -> None:
    name = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
    if environ.get(name, "").strip().lower() not in ("", "false", "no_content"):
        raise SettingsError("message content in telemetry is not built yet; unset it", where=name)


def _expected(name: str, value: str, expectation: str) -> SettingsError:
    return SettingsError(f"expected {expectation}, not {value!r}", where=name)
