"""TLS in front of the benchmark's upstream: nginx on the core of the load, with a certificate made for the run."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks import peers
from benchmarks.peers import Upstream


@contextlib.contextmanager
def terminated(plain: Upstream, folder: Path, core: int) -> Iterator[Upstream]:
    """The same upstream behind TLS; `folder` holds the certificate, readable to nginx's worker."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    subprocess.run([*command, *subject, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    server = f"ssl_certificate {certificate}; ssl_certificate_key {key};"
    with peers.nginx(plain, plain, core, listen="ssl", server=server) as terminator:
        yield Upstream(terminator.port, True, certificate)
