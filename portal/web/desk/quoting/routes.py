"""/desk/accounts/…/quotes: drafting an offer, sending it, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import cast

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.errors import DomainError, Rejected
from portal.domain.offers import Discount
from portal.domain.permissions import StaffPermission
from portal.domain.quotes import last_valid_day
from portal.domain.wishes import AddOnChoice
from portal.queries.desk_accounts import DeskAccount
from portal.queries.quote_drafts import DraftLine
from portal.queries.quotes import Holding, list_holdings
from portal.services.quote_drafts import (
    add_to_draft,
    add_to_start,
    discount_draft,
    remove_from_draft,
    word_draft,
)
from portal.services.staff_quoting import invoice_offer, prepare_quote, withdraw_quote
from portal.web.access import requires
from portal.web.buying import replaced_ids
from portal.web.desk.quoting import invoicing
from portal.web.desk.quoting.choices import begun_with, wish_of
from portal.web.desk.quoting.forms import (
    LONGEST_MESSAGE,
    DiscountForm,
    FreeForm,
    LineForm,
    SendForm,
    discount_form,
)
from portal.web.desk.quoting.views import DraftView, read_draft
from portal.web.desk.serving import acting_staff, desk_account, may
from portal.web.forms import PortalForm
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.quotes.documents import pdf_of_quote
from portal.web.quotes.views import read_quote_of
from portal.web.signed_in import parts, read_connection, stop_reading

__all__ = ["blueprint"]

blueprint = Blueprint("desk_quoting", __name__, url_prefix="/desk/accounts/<int:account_id>")
invoicing.add_to(blueprint)

_LONGEST_ID = 18


@blueprint.get("/quotes/new")
@requires(StaffPermission.SERVE)
def draft(account_id: int) -> ResponseReturnValue:
    """What is about to be offered, priced as of today."""
    account = desk_account(account_id)
    return _show(account, read_draft(account, _me()))


@blueprint.post("/quotes/new/lines")
@requires(StaffPermission.SERVE)
def add_line(account_id: int) -> ResponseReturnValue:
    """Put something of the catalogue into the draft."""
    account, form = desk_account(account_id), LineForm()
    view = read_draft(account, _me())
    if not form.validate():
        return _show(account, view, 422, line_form=form)
    try:
        value, number = form.what.data or "", form.number()
        if all(value != choice.value for group in view.choices for choice in group.choices):
            raise DomainError("not_offered")
        along = begun_with(value)
        wish = wish_of(value, number, view.market.states) if along is None else None
    except DomainError as error:
        return _show(account, view, 422, error, line_form=form)

    def write(session: Session) -> None:
        now = parts().clock.now()
        if wish is not None:
            add_to_draft(session, account_id, _me(), wish, now)
        elif along is not None:
            product, add_on, package = along
            choice = AddOnChoice(add_on, package, number)
            add_to_start(session, account_id, _me(), product, choice, now)

    return _change(account, view, write)


@blueprint.post("/quotes/new/free")
@requires(StaffPermission.SERVE)
def add_free(account_id: int) -> ResponseReturnValue:
    """Put a line of free words into the draft."""
    account, form = desk_account(account_id), FreeForm()
    try:
        wish = form.wish(account.currency) if form.validate() else None
    except Rejected as rejected:
        form.problems(rejected)
        wish = None
    view, now = read_draft(account, _me()), parts().clock.now()
    if wish is None:
        return _show(account, view, 422, free_form=form)
    return _change(
        account, view, lambda session: add_to_draft(session, account_id, _me(), wish, now)
    )


@blueprint.post("/quotes/new/discounts")
@requires(StaffPermission.SERVE)
def change_lines(account_id: int) -> ResponseReturnValue:
    """Take something off the lines, or take one of them away."""
    if "enter" in request.form:  # the key presses the page's first button, whatever was typed
        if request.form.get("text") or request.form.get("unit_price"):
            return add_free(account_id)
        if request.form.get("quantity", "1") != "1":
            return add_line(account_id)
    account, now = desk_account(account_id), parts().clock.now()
    gone = _id_of(request.form.get("remove", ""))

    def write(session: Session) -> None:
        if gone is not None:
            remove_from_draft(session, account_id, _me(), gone, now)

    return _change(account, read_draft(account, _me()), write, gone=gone)


@blueprint.post("/quotes/new")
@requires(StaffPermission.SERVE)
def send(account_id: int) -> ResponseReturnValue:
    """Make a quote of the draft and send it; or invoice it at once, where it was asked for."""
    account, form = desk_account(account_id), SendForm()
    view = read_draft(account, _me())
    if not form.validate():
        return _show(account, view, 422, send_form=form)
    discounts, given = _typed_discounts(account, view.kept.lines)
    if given is None:
        return _show(account, view, 422, discounts=discounts)
    if any(given[line.id] != line.offered.discount for line in view.kept.lines):
        flash(
            _("The discounts change the amount. Look at it once more before you send it."), "warn"
        )
        return _change(account, view, lambda _session: None)
    valid_until, message = form.valid_until.data, form.message.data or ""
    shown, request_id = form.shown.data or "", _request_id()
    invoices = request_id is not None and request.form.get("action") == "invoice"
    replaces, now = replaced_ids(), parts().clock.now()
    catalogue, actor = parts().catalogue, acting_staff()
    stop_reading()
    try:
        with transaction() as session:
            if invoices and request_id is not None:
                order = invoice_offer(
                    session, account_id, None, shown=shown, request_id=request_id, version=None,
                    replaces=replaces, catalogue=catalogue, actor=actor, now=now,
                )  # fmt: skip
                onwards = url_for(
                    "desk_orders.show", account_id=account_id, order_id=order.id
                )  # fmt: skip
            else:
                assert isinstance(valid_until, date)
                quote = prepare_quote(
                    session, account_id, valid_until=valid_until, message=message,
                    replaces=replaces, request_id=request_id, catalogue=catalogue, actor=actor,
                    now=now,
                )  # fmt: skip
                onwards = url_for(
                    "desk_quoting.show", account_id=account_id, quote_id=quote.id
                )  # fmt: skip
    except DomainError as error:
        again = desk_account(account_id)
        held = list_holdings(read_connection(), account_id)
        return _show(again, read_draft(again, _me()), 422, error, send_form=form, holdings=held)
    flash(_("The invoice is on its way to the customer.") if invoices
          else _("The quote is on its way to the customer."), "good")  # fmt: skip
    return see_other(onwards)


@blueprint.get("/quotes/<int:quote_id>")
@requires(StaffPermission.SERVE)
def show(account_id: int, quote_id: int) -> ResponseReturnValue:
    """A quote as the customer sees it, and what became of it."""
    account = desk_account(account_id)
    return respond(
        "desk/quoting/quote.html",
        account=account,
        view=read_quote_of(account_id, quote_id, buying=account.buying),
    )


@blueprint.get("/quotes/<int:quote_id>.pdf")
@requires(StaffPermission.SERVE)
def pdf(account_id: int, quote_id: int) -> ResponseReturnValue:
    """The document that the customer can download."""
    account = desk_account(account_id)
    buying = account.buying
    return pdf_of_quote(read_quote_of(account_id, quote_id, locale=buying.locale, buying=buying))


@blueprint.post("/quotes/<int:quote_id>/withdraw")
@requires(StaffPermission.SERVE)
def withdraw(account_id: int, quote_id: int) -> ResponseReturnValue:
    """Take an open quote of the desk back."""
    desk_account(account_id)
    read_quote_of(account_id, quote_id)  # 404 for another account's
    stop_reading()
    try:
        with transaction() as session:
            withdraw_quote(
                session, account_id, quote_id, actor=acting_staff(), now=parts().clock.now()
            )
    except DomainError as error:
        flash(error_sentence(error), "warn")
    else:
        flash(_("The quote is withdrawn. It can no longer be ordered."), "good")
    return see_other(url_for("desk_quoting.show", account_id=account_id, quote_id=quote_id))


def _change(
    account: DeskAccount,
    view: DraftView,
    write: Callable[[Session], None],
    *,
    gone: int | None = None,
) -> ResponseReturnValue:
    """Change the draft, and keep what else was typed on its page: the discounts, the message."""
    lines = [line for line in view.kept.lines if line.id != gone]
    form, given = _typed_discounts(account, lines)
    if given is None:
        return _show(account, view, 422, discounts=form)
    words, now, me = SendForm(), parts().clock.now(), _me()
    stop_reading()
    with transaction() as session:
        discount_draft(session, account.id, me, given, now)
        if "message" in request.form:
            message = (words.message.data or "")[:LONGEST_MESSAGE]
            word_draft(session, account.id, me, message, words.valid_until.data, now)
        write(session)
    return see_other(url_for("desk_quoting.draft", account_id=account.id, request=_request_id()))


def _typed_discounts(
    account: DeskAccount, lines: Sequence[DraftLine]
) -> tuple[DiscountForm, dict[int, Discount] | None]:
    """What the page takes off its lines; None with the problems in the form."""
    form = discount_form(lines, account.currency, speech().locale, typed=True)
    try:
        return form, form.discounts(lines, account.currency) if form.validate() else None
    except Rejected as rejected:
        form.problems(rejected)
        return form, None


def _me() -> int:
    person_id = acting_staff().person_id
    assert person_id is not None
    return person_id


def _request_id() -> int | None:
    """The change request that the offer is for, as the page carries it on."""
    return _id_of(request.values.get("request", ""))


def _id_of(text: str) -> int | None:
    is_id = text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID
    return int(text) if is_id else None


def _show(
    account: DeskAccount,
    view: DraftView,
    status: int = 200,
    problem: DomainError | None = None,
    *,
    line_form: LineForm | None = None,
    free_form: FreeForm | None = None,
    discounts: DiscountForm | None = None,
    send_form: SendForm | None = None,
    holdings: tuple[Holding, ...] = (),
) -> ResponseReturnValue:
    """The draft's page, with what was typed and the problems of what was asked for."""
    is_typed = request.method == "POST"
    sent: PortalForm | None = line_form or free_form or discounts or send_form
    replaced = _replaced(problem, holdings)
    if problem is not None and sent is not None:
        if isinstance(problem, Rejected):
            sent.problems(problem)
        else:
            sent.problem(_FIELDS.get(problem.code, ""), error_sentence(problem))
    last = last_valid_day(view.market.today, parts().catalogue.policy.quote_validity_days)
    if view.kept.valid_until is not None and view.kept.valid_until >= view.market.today:
        last = view.kept.valid_until
    return respond(
        "desk/quoting/draft.html",
        None,
        status,
        account=account,
        view=view,
        line_form=line_form or LineForm(data={"quantity": "1"}),
        free_form=free_form or FreeForm(data={"pieces": "1"}),
        discounts=discounts
        or discount_form(view.kept.lines, account.currency, speech().locale, typed=is_typed),
        send_form=send_form or SendForm(data={"valid_until": last, "message": view.kept.message}),
        sent=sent,
        request_id=_request_id(),
        may_credit=may(StaffPermission.CREDIT),
        replaced=replaced,
        today=view.market.today,
    )


_FIELDS = {"validity_past": "valid_until", "validity_too_long": "valid_until",
           "not_offered": "what"}  # fmt: skip


def _replaced(problem: DomainError | None, holdings: Sequence[Holding]) -> list[Holding]:
    """The open quotes that sending once more replaces (Q1): those that were in the way, no others."""
    if problem is None or problem.code != "quote_would_replace":
        return []
    in_the_way = cast("dict[int, str]", problem.data["quotes"])
    return list({x.quote_id: x for x in holdings if x.quote_id in in_the_way}.values())
