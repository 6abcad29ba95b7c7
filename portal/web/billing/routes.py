"""/billing: the overview, and every line of the next invoice."""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue

from portal.domain.payment_methods import expires_before
from portal.domain.permissions import Permission
from portal.queries.billing import (
    BillingAccount,
    InvoicedAhead,
    get_billing_account,
    list_invoiced_ahead,
)
from portal.queries.invoices import list_invoices
from portal.queries.payment_methods import get_default_method
from portal.queries.subscriptions import list_subscription_states
from portal.web.access import requires
from portal.web.billing import details, period
from portal.web.billing.views import coming_view, period_lines, vat_view
from portal.web.locale import speech
from portal.web.pages import respond
from portal.web.payment_method.expiring import expiring_card
from portal.web.signed_in import account, parts, read_connection

__all__ = ["blueprint"]

blueprint = Blueprint("billing", __name__, url_prefix="/billing")
details.add_to(blueprint)
period.add_to(blueprint)

_LATEST = 5


@blueprint.get("")
@requires(Permission.SEE_MONEY)
def index() -> ResponseReturnValue:
    """What is billed next, in which periods, to whom, and how it is paid."""
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    today = parts().clock.today(who.time_zone)
    states = list_subscription_states(connection, who.id, today)
    billing = get_billing_account(connection, who.id)
    method = get_default_method(connection, who.id)
    return respond(
        "billing/index.html",
        billing=billing,
        coming=coming_view(
            states, _ahead(billing), billing.buying, catalogue, speech().locale, billing.balance
        ),
        lines=period_lines(states, catalogue, speech().locale),
        vat=vat_view(
            catalogue.vendor, billing.buying, billing.buying.country,
            billing.buying.vat_number, details.present_number(billing).status,
        ),
        method=method,
        expired=method is not None
        and expires_before(method.expires_year, method.expires_month, today),
        expiring=expiring_card(method, states, billing.buying.payment_terms),
        invoices=list_invoices(connection, who.id, year=None, limit=_LATEST, offset=0),
        vendor=catalogue.vendor,
        due_days=catalogue.policy.invoice_due_days,
        notice_days=catalogue.policy.change_notice_days,
        today=parts().clock.today(catalogue.vendor.time_zone),
    )  # fmt: skip


@blueprint.get("/next-invoice")
@requires(Permission.SEE_MONEY)
def next_invoice() -> ResponseReturnValue:
    """Every line of the next invoice as it would be issued, with all changes that wait (C2)."""
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    states = list_subscription_states(connection, who.id, parts().clock.today(who.time_zone))
    billing = get_billing_account(connection, who.id)
    ahead = _ahead(billing)
    method = get_default_method(connection, who.id)
    coming = coming_view(states, ahead, billing.buying, catalogue, speech().locale, billing.balance)
    return respond(
        "billing/next_invoice.html",
        billing=billing,
        coming=coming,
        ahead=ahead,
        method=method,
        expired=method is not None
        and coming is not None
        and expires_before(method.expires_year, method.expires_month, coming.on),
        vendor=catalogue.vendor,
    )


def _ahead(billing: BillingAccount) -> list[InvoicedAhead]:
    """The renewals that are invoiced already: only those who transfer get an invoice ahead."""
    if billing.buying.payment_terms != "bank_transfer":
        return []
    return list_invoiced_ahead(read_connection(), billing.buying.account_id)
