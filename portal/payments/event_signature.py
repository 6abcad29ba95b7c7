"""The signature on a webhook: HMAC-SHA256 over time and raw bytes, `t=…,v1=…` as Stripe writes it."""

from __future__ import annotations

import hashlib
import hmac
import re

from portal.payments.gateway import EventRefused

__all__ = ["TOLERANCE", "sign", "verify"]

TOLERANCE = 300
"""Seconds that a webhook's time may differ from ours, to either side."""

_LONGEST_HEADER = 4_000
_TIME = re.compile(r"[0-9]{1,12}", re.ASCII)


def sign(body: bytes, secret: str, at: int) -> str:
    """The signature header for `body`, sent at the Unix time `at`."""
    return f"t={at},v1={_digest(body, secret, str(at))}"


def verify(body: bytes, header: str, secret: str, now: int) -> None:
    """Hold that `header` signs these very bytes, at a time within TOLERANCE of `now`.

    EventRefused `signature_missing`, `signature_malformed`, `signature_wrong`,
    `timestamp_too_old`, `timestamp_in_future`.
    """
    if not header:
        raise EventRefused("signature_missing")
    if len(header) > _LONGEST_HEADER:
        raise EventRefused("signature_malformed")
    times: list[str] = []
    signatures: list[str] = []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t":
            times.append(value)
        elif name == "v1":
            signatures.append(value)
    if len(times) != 1 or not signatures or not _TIME.fullmatch(times[0]):
        raise EventRefused("signature_malformed")
    expected = _digest(body, secret, times[0]).encode()
    # While a secret is rolled over, several signatures stand in the header.
    if not any(
        hmac.compare_digest(expected, given.encode("utf-8", "replace")) for given in signatures
    ):
        raise EventRefused("signature_wrong")
    sent = int(times[0])
    if sent < now - TOLERANCE:
        raise EventRefused("timestamp_too_old")
    if sent > now + TOLERANCE:
        raise EventRefused("timestamp_in_future")


def _digest(body: bytes, secret: str, at: str) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
