"""Certificates for loopback, made for one test."""

import ssl
import subprocess
from pathlib import Path


def certificate(folder: Path, name: str = "far end", issuer: tuple[Path, Path] | None = None) -> tuple[Path, Path]:
    """Certificate and key for loopback, in PEM; without an issuer whoever trusts the certificate trusts its owner."""
    stem = name.replace(" ", "-")
    chain, key = folder / f"{stem}.pem", folder / f"{stem}.key"
    by = ["-CA", issuer[0], "-CAkey", issuer[1]] if issuer else []
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", chain, "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,IP:::1",
         "-addext", "basicConstraints=critical,CA:FALSE", *by],
        check=True, capture_output=True,
    )
    return chain, key


def authority(folder: Path, name: str) -> tuple[Path, Path]:
    """Certificate and key of somebody who issues certificates."""
    stem = name.replace(" ", "-")
    chain, key = folder / f"{stem}.pem", folder / f"{stem}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", chain, "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE"],
        check=True, capture_output=True,
    )
    return chain, key


def server_side(own: tuple[Path, Path], clients: Path | None = None, names=("sip",)) -> ssl.SSLContext:
    """TLS for who is called: its certificate, and the issuer of those that its callers must show."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*own)
    context.set_alpn_protocols(list(names))
    if clients:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
