"""Stripe's webhooks: verified on their raw bytes, and read only for what they are about (M2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from portal.payments.event_signature import verify
from portal.payments.gateway import EventRefused, GatewayEventNotice
from portal.payments.stripe_gateway.reading import id_of

__all__ = ["SIGNATURE_HEADER", "read_event"]

SIGNATURE_HEADER = "Stripe-Signature"
_LONGEST = 120


def read_event(
    body: bytes, headers: Mapping[str, str], secret: str, now: int
) -> GatewayEventNotice:
    """The event of a signed body; EventRefused `payload_malformed` or a code of the signature.

    Its payload is kept short and in our words: names and addresses stay with Stripe.
    """
    given = {name.lower(): value for name, value in headers.items()}
    verify(body, given.get(SIGNATURE_HEADER.lower(), ""), secret, now)
    try:
        event = json.loads(body)
        event_id, type_, thing = event["id"], event["type"], event["data"]["object"]
        if not isinstance(thing, dict):
            raise TypeError("no object")
        about, ref = _about(str(type_), thing)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise EventRefused("payload_malformed") from None
    if not all(isinstance(t, str) and 0 < len(t) <= _LONGEST for t in (event_id, type_)):
        raise EventRefused("payload_malformed")
    if len(ref) > _LONGEST:
        raise EventRefused("payload_malformed")
    created = event.get("created")
    payload = {
        "id": event_id,
        "type": type_,
        "created": created if isinstance(created, int) else None,
        "livemode": event.get("livemode") is True,
        "about": about,
        "ref": ref,
    }
    return GatewayEventNotice(event_id, type_, about, ref, payload)


def _about(type_: str, thing: Mapping[str, Any]) -> tuple[str, str]:
    """What is read again after this event, and its reference."""
    about, ref = "other", id_of(thing.get("id"))
    if type_.startswith(("refund.", "charge.refund.")):
        about = "refund"
    elif type_.startswith("payment_intent."):
        about = "charge"
    elif type_.startswith("charge.dispute."):
        about = "dispute"
    elif type_.startswith("charge."):  # it tells its PaymentIntent
        intent = id_of(thing.get("payment_intent"))
        about, ref = ("charge", intent) if intent else (about, ref)
    elif type_.startswith("checkout.session."):
        about = "setup" if thing.get("mode") == "setup" else about
    elif type_.startswith("payment_method."):
        about = "method"
    elif type_ == "mandate.updated":
        about, ref = "method", id_of(thing.get("payment_method"))
    return (about, ref) if ref else ("other", "")
