"""Quotes: the list, the review of one, its PDF, accepting and declining it."""

from __future__ import annotations

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.permissions import Permission
from portal.domain.quotes import terms_key
from portal.queries.quotes import list_quotes
from portal.services.quoting import decline_quote
from portal.services.transfer_orders import accept_quote
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.quotes.documents import pdf_of_quote
from portal.web.quotes.forms import AcceptForm, DeclineForm
from portal.web.quotes.views import QuoteView, read_quote, read_quote_of
from portal.web.signed_in import account, parts, read_connection, stop_reading

blueprint = Blueprint("quotes", __name__, url_prefix="/quotes")

QUOTES_ON_PAGE = 25


@blueprint.get("")
@requires(Permission.SEE_MONEY)
def index() -> ResponseReturnValue:
    """The account's quotes, newest first."""
    page = request.args.get("page", 1, type=int)
    if not 1 <= page <= 10_000:
        abort(404)
    who = account()
    today = parts().clock.today(who.time_zone)
    quotes = list_quotes(
        read_connection(),
        who.id,
        today,
        limit=QUOTES_ON_PAGE + 1,
        offset=(page - 1) * QUOTES_ON_PAGE,
    )
    if page > 1 and not quotes:
        abort(404)
    return respond(
        "quotes/index.html",
        quotes=quotes[:QUOTES_ON_PAGE],
        page=page,
        has_more=len(quotes) > QUOTES_ON_PAGE,
    )


@blueprint.get("/<int:quote_id>")
@requires(Permission.SEE_MONEY)
def review(quote_id: int) -> ResponseReturnValue:
    """Every line with its formula, VAT, total, validity; and what can be done with it."""
    return _review(read_quote(quote_id))


@blueprint.get("/<int:quote_id>.pdf")
@requires(Permission.SEE_MONEY)
def pdf(quote_id: int) -> ResponseReturnValue:
    """The quote as a document, in the account's language."""
    view = read_quote_of(account().id, quote_id, locale=account().locale)
    return pdf_of_quote(view)


@blueprint.post("/<int:quote_id>/accept")
@requires(Permission.BUY)
def accept(quote_id: int) -> ResponseReturnValue:
    """Say yes, where the company pays by bank transfer: the invoice follows at once (Q3, I3)."""
    form = AcceptForm()
    if not form.validate():
        return _review(read_quote(quote_id), 422, accept_form=form)
    read_quote(quote_id)  # 404 for a foreign or unknown quote
    stop_reading()
    try:
        with transaction() as session:
            order = accept_quote(
                session,
                account().id,
                quote_id,
                shown=form.shown.data or "",
                purchase_order=form.purchase_order.data or "",
                catalogue=parts().catalogue,
                actor=acting_person(),
                now=parts().clock.now(),
            )
            order_id = order.id
    except DomainError as error:
        if error.code == "terms_changed":
            form.problem(
                "", _("The amount has changed since this page was shown. Check the new amount.")
            )
            return _review(read_quote(quote_id), 422, accept_form=form)
        flash(error_sentence(error), "warn")
        return see_other(url_for("quotes.review", quote_id=quote_id))
    return see_other(url_for("orders.show", order_id=order_id))


def _review(
    view: QuoteView,
    status: int = 200,
    *,
    form: DeclineForm | None = None,
    accept_form: AcceptForm | None = None,
) -> ResponseReturnValue:
    number = view.quote.purchase_order or view.buying.purchase_order
    usual = AcceptForm(data={"purchase_order": number})
    return respond(
        "quotes/review.html",
        "quotes/_review.html",
        status,
        view=view,
        form=form or DeclineForm(formdata=None),
        accept_form=accept_form or usual,
        shown=terms_key(view.priced) if view.priced is not None else "",
        invoice_due_days=parts().catalogue.policy.invoice_due_days,
    )


@blueprint.post("/<int:quote_id>/decline")
@requires(Permission.BUY)
def decline(quote_id: int) -> ResponseReturnValue:
    """Say no, with an optional reason."""
    view = read_quote(quote_id)
    form = DeclineForm()
    if not form.validate():
        return _review(view, 422, form=form)
    stop_reading()
    try:
        with transaction() as session:
            decline_quote(
                session,
                account().id,
                quote_id,
                reason=form.reason.data or "",
                actor=acting_person(),
                now=parts().clock.now(),
            )
    except DomainError as error:
        flash(error_sentence(error), "warn")
    else:
        flash(_("Quote %(number)s is declined. Nothing is charged.", number=view.quote.number),
              "good")  # fmt: skip
    return see_other(url_for("quotes.review", quote_id=quote_id))
