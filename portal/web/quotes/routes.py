"""Quotes: the list, the review of one, declining it."""

from __future__ import annotations

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.permissions import Permission
from portal.queries.quotes import list_quotes
from portal.services.quoting import decline_quote
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.quotes.forms import DeclineForm
from portal.web.quotes.views import read_quote
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
    view = read_quote(quote_id)
    return respond("quotes/review.html", "quotes/_review.html", view=view, form=DeclineForm())


@blueprint.post("/<int:quote_id>/decline")
@requires(Permission.BUY)
def decline(quote_id: int) -> ResponseReturnValue:
    """Say no, with an optional reason."""
    view = read_quote(quote_id)
    form = DeclineForm()
    if not form.validate():
        return respond("quotes/review.html", "quotes/_review.html", 422, view=view, form=form)
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
