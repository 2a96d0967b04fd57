"""From a request's path to the endpoint it belongs to and the URL it goes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.settings.shape import Endpoint, Upstream


@dataclass(frozen=True, slots=True)
class Route:
    """Where requests of one endpoint go."""

    endpoint_name: str
    endpoint: Endpoint
    upstream_name: str
    dialect: str
    base: str
    """Scheme, authority and path prefix, without a slash at the end."""
    server_address: str
    server_port: int

    @property
    def prefix_length(self) -> int:
        """Bytes of the path that name the endpoint."""
        return len(self.endpoint.path)


class Routes:
    """The settings' endpoints by the first segment of their path."""

    def __init__(self, endpoints: Mapping[str, Endpoint], upstreams: Mapping[str, Upstream]) -> None:
        self._by_path = {
            endpoint.path.encode(): _route(name, endpoint, upstreams[endpoint.upstreams[0]], endpoint.upstreams[0])
            for name, endpoint in endpoints.items()
        }

    def find(self, raw_path: bytes) -> Route | None:
        """The route of the endpoint named by the first segment, else of the one with path "", else None."""
        slash = raw_path.find(b"/", 1)
        first = raw_path if slash < 0 else raw_path[:slash]
        return self._by_path.get(first) or self._by_path.get(b"")


def _route(name: str, endpoint: Endpoint, upstream: Upstream, upstream_name: str) -> Route:
    url = urlsplit(upstream.url)
    return Route(
        endpoint_name=name,
        endpoint=endpoint,
        upstream_name=upstream_name,
        dialect=upstream.dialect,
        base=upstream.url.rstrip("/"),
        server_address=url.hostname or "",
        server_port=url.port or (443 if url.scheme == "https" else 80),
    )


def target(route: Route, raw_path: bytes, query: bytes) -> str:
    """Path and query as they go upstream, below the upstream's own path prefix, byte for byte.

    The gate lets ASCII through only; what it refuses is still recorded.
    """
    path = raw_path[route.prefix_length :] or b"/"
    return (path + b"?" + query if query else path).decode("latin-1")
