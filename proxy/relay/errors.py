"""How a request can fail in the relay.

RelayError             carries outcome, status, error_type; answered in the caller's dialect
├─ Rejected            the gate, a limit, an unknown endpoint
├─ UpstreamUnreachable refused, DNS, TLS, connection lost before an answer → 502
├─ UpstreamTimeout     no answer in time → 504
├─ UpstreamTruncated   ended early; after the first byte the client's connection is broken too
├─ ClientDisconnected  nobody left to answer
├─ ShuttingDown        the drain's time was up
└─ Internal            an exception of ours → 500
"""

from __future__ import annotations

from typing import ClassVar

from proxy.exchange import Outcome


class RelayError(Exception):
    """A request's end that is not the upstream's own answer; `str(error)` is fit for the caller."""

    outcome: ClassVar[Outcome]

    def __init__(self, message: str, *, status: int, error_type: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        """None where the outcome says it all."""

    def bare(self) -> RelayError:
        """The same without where it was raised, which would hold the whole request until a garbage collection."""
        self.__traceback__ = self.__cause__ = self.__context__ = None
        return self


class Rejected(RelayError):
    """Refused before anything was sent upstream."""

    outcome = Outcome.REJECTED


class UpstreamUnreachable(RelayError):
    """No answer could be had.

    `stale` tells that a reused connection proved dead before any byte came back, `heard` what came instead of HTTP.
    """

    outcome = Outcome.UPSTREAM_UNREACHABLE

    def __init__(self, message: str, *, error_type: str, stale: bool = False, heard: bytes = b"") -> None:
        super().__init__(message, status=502, error_type=error_type)
        self.stale = stale
        self.heard = heard


class UpstreamTimeout(RelayError):
    """The upstream did not answer, or stopped sending, in the time allowed."""

    outcome = Outcome.UPSTREAM_TIMEOUT

    def __init__(self, message: str, *, error_type: str) -> None:
        super().__init__(message, status=504, error_type=error_type)


class UpstreamTruncated(RelayError):
    """The upstream's answer ended before it was whole."""

    outcome = Outcome.TRUNCATED

    def __init__(self, message: str, *, error_type: str) -> None:
        super().__init__(message, status=502, error_type=error_type)


class ClientDisconnected(RelayError):
    """The client left or stopped reading."""

    outcome = Outcome.CLIENT_DISCONNECTED

    def __init__(self, message: str, *, error_type: str | None = None) -> None:
        super().__init__(message, status=499, error_type=error_type)


class ShuttingDown(RelayError):
    """This process ends before the request does."""

    outcome = Outcome.INTERRUPTED

    def __init__(self) -> None:
        super().__init__("the proxy is shutting down; send the request again.", status=503, error_type="internal")


class Internal(RelayError):
    """An exception of ours; the traceback is logged, the caller gets the request id."""

    outcome = Outcome.PROXY_ERROR

    def __init__(self) -> None:
        super().__init__(
            "an error inside the proxy; its log has the details under this request id.",
            status=500,
            error_type="internal",
        )
