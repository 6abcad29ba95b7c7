"""Inbound webhooks of the payment provider: signed, not signed in."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, abort, current_app, request
from flask.typing import ResponseReturnValue

from portal.db import transaction
from portal.extensions import csrf
from portal.parts import Parts
from portal.payments.gateway import EventRefused, GatewayUnknown
from portal.services.gateway_events import receive_event

__all__ = ["BODY_LIMIT", "blueprint"]

BODY_LIMIT = 256_000
"""Bytes; a provider's event is a few thousand."""

_TRY_AGAIN_SECONDS = 30

blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks")
csrf.exempt(blueprint)  # the signature over the raw bytes is the proof here


@blueprint.post("/demo")
def demo() -> ResponseReturnValue:
    """Events of the demo's provider; there is none outside the demo."""
    return _receive("demo")


@blueprint.post("/stripe")
def stripe() -> ResponseReturnValue:
    """Events of Stripe; 404 where the portal does not collect with it."""
    return _receive("stripe")


# Everyone may send; portal.web.access reads this (api and web do not import one another).
demo.portal_access = "public"  # type: ignore[attr-defined]
stripe.portal_access = "public"  # type: ignore[attr-defined]


def _receive(provider: str) -> ResponseReturnValue:
    parts = cast(Parts, current_app.extensions["portal"])
    if parts.gateway.name != provider:
        abort(404)
    if (request.content_length or 0) > BODY_LIMIT:
        abort(413)
    body = request.get_data(cache=False)
    if len(body) > BODY_LIMIT:  # sent in chunks, without its length
        abort(413)
    try:
        outcome = receive_event(
            body,
            dict(request.headers),
            gateway=parts.gateway,
            transaction=transaction,
            catalogue=parts.catalogue,
            now=parts.clock.now(),
        )
    except EventRefused as refused:
        return {"refused": refused.code}, 400
    except GatewayUnknown:
        return {"refused": "try_again"}, 503, {"Retry-After": str(_TRY_AGAIN_SECONDS)}
    return {"outcome": outcome}
