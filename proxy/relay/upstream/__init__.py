"""The upstream side: a thin HTTP/1.1 client whose every answer is either unambiguous or refused."""

from __future__ import annotations

from proxy.relay.upstream.client import Client as Client
from proxy.relay.upstream.client import Connecting as Connecting
from proxy.relay.upstream.connection import Response as Response
