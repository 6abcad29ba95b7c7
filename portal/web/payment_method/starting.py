"""On to the provider's page, from here or from the checkout."""

from __future__ import annotations

from flask import Response, url_for

from portal.db import transaction
from portal.payments.gateway import GatewayUnknown, Patience
from portal.services.method_setup import SetupAddresses, begin_method_setup, open_method_setup
from portal.web.pages import local_path, see_other
from portal.web.signed_in import account, parts, signed_in, stop_reading

__all__ = ["begin_setup", "open_setup"]


def begin_setup(return_path: str) -> Response:
    """Begin a visit to the provider's page; the customer comes back to `return_path`, a local one.

    Answers the way onwards: our own page, which leads to the provider's, since a browser may hold
    CSP form-action against a redirect that follows a form. DomainError
    `method_not_for_bank_transfer` for an account that pays by bank transfer.
    """
    who = signed_in()
    assert who is not None, "a route that begins a setup asks for a permission"
    account_id = account().id
    path = local_path(return_path, url_for("payment_method.show"))
    now = parts().clock.now()
    stop_reading()
    with transaction() as session:
        setup = begin_method_setup(session, account_id, who.person_id, path, now)
        setup_id = int(setup.id)
    open_setup(setup_id)
    return see_other(url_for("payment_method.show_setup", setup_id=setup_id))


def open_setup(setup_id: int) -> None:
    """Ask the provider for its page; where it does not answer the visit waits for another try."""
    there = parts()
    stop_reading()
    public_url = there.settings.public_url.rstrip("/")
    addresses = SetupAddresses(
        returned=public_url + url_for("payment_method.returned", setup_id=setup_id),
        cancelled=public_url + url_for("payment_method.cancelled", setup_id=setup_id),
    )
    try:
        open_method_setup(
            transaction,
            there.gateway,
            setup_id,
            addresses,
            now=there.clock.now(),
            patience=Patience.ON_SCREEN,
        )
    except GatewayUnknown:
        return
