"""Certificates and keys that telemetry is to be sent with: whether the files are there and hold what they should."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from proxy.settings.errors import READABLE, SettingsError
from proxy.settings.otlp import Exporter, Otlp, variable

_NEEDLESS = "never"
"""Given as password, so that nobody is asked for one: keys with one cannot be used anyway."""


def refuse_unusable(otlp: Otlp, environ: Mapping[str, str] | None = None) -> None:
    """Raises SettingsError for the first file that is missing, cannot be read or is not in PEM.

    `environ` is what `otlp` was read from, the process's own unless given. Signals without TLS need no files.
    """
    environ = os.environ if environ is None else environ
    for signal, exporter in (("METRICS", otlp.metrics), ("LOGS", otlp.logs), ("TRACES", otlp.traces)):
        if exporter is not None and exporter.endpoint.startswith("https:"):
            _refuse(signal, exporter, environ)


def _refuse(signal: str, exporter: Exporter, environ: Mapping[str, str]) -> None:
    for option, path in (("CERTIFICATE", exporter.certificate), ("CLIENT_CERTIFICATE", exporter.client_certificate)):
        if path is not None:
            _expect_certificate(path, variable(environ, signal, option))
    certificate, key = exporter.client_certificate, exporter.client_key
    if certificate is None:
        return
    named = variable(environ, signal, "CLIENT_CERTIFICATE" if key is None else "CLIENT_KEY")
    _read(key or certificate, named)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=_NEEDLESS)
    except ssl.SSLError as error:
        problem = f"{key or certificate} holds no PEM key without password that fits {certificate}; name one that does"
        raise SettingsError(problem, where=named) from error


def _expect_certificate(path: str, named: str | None) -> None:
    _read(path, named)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise SettingsError(f"{path} holds no certificate in PEM; name a file that does", where=named) from error


def _read(path: str, named: str | None) -> None:
    try:
        Path(path).read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no path"
        raise SettingsError(f"{path} cannot be read ({why}); {READABLE}", where=named) from error
