"""Certificates as upstreams have them, good and bad; made by openssl, dated back by faketime."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
_CONFIG = "[req]\ndistinguished_name = name\nprompt = no\n[name]\nCN = test\n"


def authority(folder: Path) -> Path:
    """A certificate authority, as a file for `SSL_CERT_FILE`."""
    return _certificate(folder, "ca", "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")


def server(folder: Path, name: str = "IP:127.0.0.1", *, signed: bool = True, expired: bool = False) -> ssl.SSLContext:
    """The context of a server with a certificate for `name`, by the authority in `folder` or signed by itself."""
    path = _certificate(
        folder,
        f"server-{name.partition(':')[2]}-{signed}-{expired}",
        f"subjectAltName={name}",
        "basicConstraints=critical,CA:FALSE",
        options=["-CA", str(folder / "ca.pem"), "-CAkey", str(folder / "ca.key")] if signed else [],
        clock=["faketime", "-f", "-10d"] if expired else [],
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, path.with_suffix(".key"))
    return context


def _certificate(
    folder: Path, stem: str, *extensions: str, options: list[str] | None = None, clock: list[str] | None = None
) -> Path:
    path, config = folder / f"{stem}.pem", folder / "openssl.cnf"
    config.write_text(_CONFIG)
    added = [word for extension in extensions for word in ("-addext", extension)]
    files = ["-keyout", str(path.with_suffix(".key")), "-out", str(path), "-config", str(config)]
    command = [*(clock or []), "openssl", "req", "-x509", *_KEY.split(), *files, *added, *(options or [])]
    subprocess.run(command, check=True, capture_output=True)
    return path
