"""Certificates of the tests' own servers, made with the machine's openssl."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

__all__ = ["needs_openssl", "self_signed", "serving"]

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing")


def self_signed(folder: Path, name: str = "mail") -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for; its key is the file beside it (.key)."""
    certificate = folder / f"{name}.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", str(certificate.with_suffix(".key")), "-out", str(certificate),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate


def serving(certificate: Path) -> ssl.SSLContext:
    """What a server needs to speak TLS with it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context
