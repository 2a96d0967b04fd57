"""The settings: every key with its meaning, unit and default. Values are checked where they are loaded.

Sizes are bytes, durations seconds; both may be written with a unit (`10GiB`, `7d`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TextIO

from msgspec import Meta, Struct, field
from platformdirs import user_data_path

from proxy.settings.otlp import Otlp

_KIB = 1024
_MIB = 1024**2
_GIB = 1024**3
_DAY = 86_400.0
_LONGEST = 36_500 * _DAY

WITH_UNIT = {"$comment": "a number, or a text with a unit"}
"""Marks in the JSON Schema what may be written with a unit."""

BUILT_IN_UPSTREAM = "https://api.anthropic.com"
METRIC_INTERVAL_S = 15.0
MOST_SERIES = 2_000
"""Of one instrument, unless set otherwise; the default limit of OpenTelemetry's SDKs."""

Size = Annotated[int, Meta(ge=1, le=2**50, extra={"unit": "bytes"}, extra_json_schema=WITH_UNIT)]
Duration = Annotated[float, Meta(ge=0, le=_LONGEST, extra={"unit": "seconds"}, extra_json_schema=WITH_UNIT)]
Wait = Annotated[float, Meta(gt=0, le=_LONGEST, extra={"unit": "seconds"}, extra_json_schema=WITH_UNIT)]
"""A duration that cannot be nothing."""
Count = Annotated[int, Meta(ge=1, le=10_000_000)]
Listen = Annotated[str, Meta(examples=["127.0.0.1:8080", "[::1]:0"])]
Bodies = Literal["all", "errors", "none"]
"""Whose bodies are kept: those of all requests, of failed ones, of none."""


class Relay(Struct, frozen=True, forbid_unknown_fields=True):
    """The port that clients use, and the limits of what passes through it."""

    listen: Annotated[Listen, Meta(description="Address and port for clients; port 0 takes a free one.")] = (
        "127.0.0.1:8080"
    )
    workers: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Relay processes that share the port and the ledger: about one for each core that there is for"
            " them. Limits of open requests and of memory are those of one process.",
        ),
    ] = 1
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Host names that requests may be addressed to, besides loopback and the address listened on;"
            ' "*" admits any. Required when other machines can connect.'
        ),
    ] = ()
    max_body: Annotated[Size, Meta(description="Largest request body; larger ones get 413 before they are read.")] = (
        512 * _MIB
    )
    max_header_bytes: Annotated[
        Size,
        Meta(description="Most bytes of names and values of request headers; a single one is at most 16 KiB on zttp."),
    ] = 64 * _KIB
    max_headers: Annotated[Count, Meta(description="Most request headers; zttp takes at most 100.")] = 100
    max_uri_bytes: Annotated[Size, Meta(description="Longest request target.")] = 8 * _KIB
    max_requests: Annotated[
        Count,
        Meta(
            description="Requests open at once in one relay process; further ones are refused. Fewer where the process"
            " may not open two files for each."
        ),
    ] = 1000
    max_connections: Annotated[
        Count,
        Meta(
            description="Client connections of a relay process; beyond, those idle longest are closed. Fewer where the"
            " process may not open two files for each."
        ),
    ] = 2000
    parser: Annotated[
        Literal["zttp", "h11"],
        Meta(description="What reads requests on both ports; h11 is slower, and there in case zttp fails somebody."),
    ] = "zttp"
    client_header_timeout: Annotated[
        Wait,
        Meta(description="Longest wait for the whole headers of a request, from its first byte or from connecting."),
    ] = 10.0
    keep_alive_timeout: Annotated[Wait, Meta(description="How long a connection without a request is kept open.")] = (
        75.0
    )
    connect_timeout: Annotated[Wait, Meta(description="Longest wait for a connection to the upstream.")] = 10.0
    header_timeout: Annotated[Wait, Meta(description="Longest wait for the upstream's response headers.")] = 600.0
    idle_timeout: Annotated[Wait, Meta(description="Longest silence of the upstream within a response body.")] = 300.0
    upload_idle_timeout: Annotated[Wait, Meta(description="Longest silence of a client within its request body.")] = (
        600.0
    )
    client_stall_timeout: Annotated[
        Wait, Meta(description="Longest time that a client may take no bytes of its response.")
    ] = 120.0
    drain_seconds: Annotated[
        Duration, Meta(description="How long open requests may go on after the proxy was told to stop.")
    ] = 30.0
    prestop_seconds: Annotated[
        Duration, Meta(description="How long /readyz says 503 before new connections are refused.")
    ] = 0.0


class Inspector(Struct, frozen=True, forbid_unknown_fields=True):
    """The port of pages, API and /metrics."""

    listen: Annotated[
        Listen, Meta(description="Address and port of pages, API and /metrics; port 0 takes a free one.")
    ] = "127.0.0.1:8081"
    allowed_hosts: Annotated[
        tuple[str, ...], Meta(description='Host names that requests may be addressed to; "*" admits any.')
    ] = ()
    token_file: Annotated[
        Path | None,
        Meta(description="File with the API token; without it a token is made once and kept in the data folder."),
    ] = None
    metrics: Annotated[
        Literal["token", "open"], Meta(description="Whether /metrics needs the API token or is open.")
    ] = "token"


class Redaction(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule of the operator's own for what is masked in everything stored, besides the built-in kinds of secrets."""

    pattern: Annotated[
        str,
        Meta(
            description="Regular expression of Python's `re`; masked is its first group, else all that it matches. Its"
            " repeats need an upper bound, such as {20,40}."
        ),
    ]


class Capture(Struct, frozen=True, forbid_unknown_fields=True):
    """How much of request and response bodies is kept; length and hash are of the whole anyway."""

    bodies: Annotated[Bodies, Meta(description="Which bodies are kept: of all requests, of failed ones, of none.")] = (
        "all"
    )
    max_request: Annotated[Size, Meta(description="Most bytes kept of a request body; beyond, its head is kept.")] = (
        32 * _MIB
    )
    max_response: Annotated[Size, Meta(description="Most bytes kept of a response body; beyond, its head is kept.")] = (
        16 * _MIB
    )
    redact: dict[str, Redaction] = field(default_factory=dict)


class Retention(Struct, frozen=True, forbid_unknown_fields=True):
    """When the ledger forgets."""

    bodies: Annotated[Duration, Meta(description="Age at which bodies are deleted; never above that of metadata.")] = (
        7 * _DAY
    )
    metadata: Annotated[Duration, Meta(description="Age at which everything else of a request is deleted.")] = 90 * _DAY
    max_bytes: Annotated[
        Size, Meta(description="Size of the ledger above which the oldest bodies, then requests, are deleted.")
    ] = 10 * _GIB
    min_free: Annotated[
        Size,
        Meta(
            description="Free space on the ledger's disk below which new bodies are not stored, and the oldest ones"
            " deleted if it is the ledger that fills it; at most an eighth of the disk."
        ),
    ] = 512 * _MIB
    reserve: Annotated[
        Size,
        Meta(
            description="Size of a file that is given back when the disk is full, so that deleting still works; at"
            " most an eighth of the disk."
        ),
    ] = 32 * _MIB


class Telemetry(Struct, frozen=True, forbid_unknown_fields=True):
    """What is exported; where to is said by the standard OTEL_* variables."""

    main_account: Annotated[
        str | None,
        Meta(description="Account that the usage gauges show; unset: the one whose windows are fullest."),
    ] = None
    metric_interval: Annotated[
        Wait, Meta(description="Time between two exports of metrics; OTEL_METRIC_EXPORT_INTERVAL gives it too.")
    ] = METRIC_INTERVAL_S
    max_series: Annotated[
        Count, Meta(description="Series of one instrument; further ones share one labelled `otel_metric_overflow`.")
    ] = MOST_SERIES
    otlp: Otlp = field(default_factory=Otlp)


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    """The processes' own lines on the console."""

    format: Annotated[
        Literal["auto", "text", "json"],
        Meta(description="auto: text on a terminal, otherwise JSON lines."),
    ] = "auto"
    color: Annotated[bool, Meta(description="Colours on a terminal; off when NO_COLOR is set.")] = True

    def is_text(self, stream: TextIO) -> bool:
        """Whether lines on this stream are for people rather than programs."""
        return self.format == "text" or (self.format == "auto" and stream.isatty())

    def is_colored(self, stream: TextIO) -> bool:
        """Whether lines for people have colours there."""
        return self.color and stream.isatty()


class Upstream(Struct, frozen=True, forbid_unknown_fields=True):
    """A server that requests are forwarded to."""

    url: Annotated[str, Meta(description="http or https address, optionally with a path to put before the request's.")]
    dialect: Annotated[
        Literal["anthropic", "openai"],
        Meta(
            description="Shape of our own error answers where a request's path does not tell; answers are read in the"
            " dialect of their path, whatever the upstream."
        ),
    ] = "anthropic"


class Endpoint(Struct, frozen=True, forbid_unknown_fields=True):
    """A named way in: requests whose first path segment is its path belong to it."""

    path: Annotated[
        str,
        Meta(
            description='One segment such as "/production"; unset: "/" and the endpoint\'s name, and "" (everything'
            ' else) for "default".'
        ),
    ] = ""
    upstreams: Annotated[
        tuple[str, ...],
        Meta(description="Names of upstreams in order of preference; unset: the only one there is."),
    ] = ()
    organization: Annotated[str | None, Meta(description="Organisation that its requests are counted for.")] = None
    workflow: Annotated[str | None, Meta(description="Workflow of requests that name none themselves.")] = None
    billing: Annotated[
        Literal["pay_as_you_go", "subscription", "free"] | None,
        Meta(description="How its requests are paid; unset: subscription when the response says so."),
    ] = None
    on_disconnect: Annotated[
        Literal["cancel", "drain"],
        Meta(
            description="What happens upstream when the client has left: cancel ends the call within a second; drain"
            " reads on for the usage, at most 30 s and 1 MB."
        ),
    ] = "cancel"
    capture: Annotated[
        Bodies | None, Meta(description="Which bodies of its requests are kept; unset: as `capture.bodies` says.")
    ] = None


def _built_in_upstreams() -> dict[str, Upstream]:
    return {"anthropic": Upstream(url=BUILT_IN_UPSTREAM)}


def _built_in_endpoints() -> dict[str, Endpoint]:
    return {"default": Endpoint(path="", upstreams=("anthropic",))}


def data_folder() -> Path:
    """Where the ledger lives unless told otherwise: the user's data folder on this system."""
    return user_data_path("anthropic-proxy", appauthor=False)


def demo_data_folder() -> Path:
    """Where the demo keeps its ledger, apart from the real one."""
    return user_data_path("anthropic-proxy-demo", appauthor=False)


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything an operator can decide."""

    data: Annotated[
        Path, Meta(description="Folder of the ledger and the API token; unset: the user's data folder.")
    ] = field(default_factory=data_folder)
    relay: Relay = field(default_factory=Relay)
    inspector: Inspector = field(default_factory=Inspector)
    capture: Capture = field(default_factory=Capture)
    retention: Retention = field(default_factory=Retention)
    telemetry: Telemetry = field(default_factory=Telemetry)
    log: Log = field(default_factory=Log)
    upstreams: dict[str, Upstream] = field(default_factory=_built_in_upstreams)
    endpoints: dict[str, Endpoint] = field(default_factory=_built_in_endpoints)
