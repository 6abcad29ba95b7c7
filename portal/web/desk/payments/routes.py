"""/desk/accounts/…/payments: what a customer paid and is owed; booking transfers, paying back."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal import formats
from portal.db import transaction
from portal.documents.invoice_document import InvoiceDocument
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.permissions import StaffPermission
from portal.domain.transfers import TransferPlan, plan_deposit
from portal.queries.desk_payments import (
    list_balance_entries,
    list_open_invoices,
    list_payments,
)
from portal.queries.invoices import get_invoice
from portal.services.balance_payout import pay_back_balance
from portal.services.transfer_booking import (
    Booked,
    Transfer,
    book_deposit,
    book_transfer,
    take_back_transfer,
)
from portal.web.access import requires
from portal.web.amounts import read_amount, typed_amount
from portal.web.desk.paging import page_number
from portal.web.desk.payments import crediting
from portal.web.desk.payments.forms import PayoutForm, TransferForm
from portal.web.desk.payments.views import invoice_plan
from portal.web.desk.serving import acting_staff, desk_account, may
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import parts, read_connection, stop_reading

__all__ = ["blueprint"]

blueprint = Blueprint("desk_payments", __name__, url_prefix="/desk/accounts")
crediting.add_to(blueprint)

_PAGE, _LATEST = 25, 10


@blueprint.get("/<int:account_id>/payments")
@requires(StaffPermission.SERVE)
def index(account_id: int) -> ResponseReturnValue:
    """What is to be paid, what the customer is owed, and every payment, the latest first."""
    account, connection = desk_account(account_id), read_connection()
    page = page_number()
    rows = list_payments(connection, account_id, limit=_PAGE + 1, offset=(page - 1) * _PAGE)
    if page > 1 and not rows:
        abort(404)
    return respond(
        "desk/payments/index.html",
        account=account,
        payments=rows[:_PAGE],
        has_more=len(rows) > _PAGE,
        page=page,
        open_invoices=list_open_invoices(connection, account_id),
        balance=list_balance_entries(connection, account_id, limit=_LATEST),
        may_pay_back=may(StaffPermission.CREDIT),
        today=_today(),
    )


@blueprint.route("/<int:account_id>/invoices/<number>/payment", methods=["GET", "POST"])
@requires(StaffPermission.SERVE)
def book(account_id: int, number: str) -> ResponseReturnValue:
    """Book a transfer for an invoice: first what it would do is shown, then it is done."""
    account = desk_account(account_id)
    invoice = get_invoice(read_connection(), account_id, number, parts().catalogue.vendor.time_zone)
    if invoice is None:
        abort(404)
    form, plan, status = TransferForm(), None, 200
    refusal = _refusal(invoice)
    if request.method == "GET":
        _propose(form, invoice.money(invoice.open_minor))
    elif refusal is None:
        transfer = _transfer(form, account.currency)
        if transfer is not None:
            try:
                plan = invoice_plan(invoice, transfer.amount, transfer.received_on, _today())
                if _is_confirmed():
                    return _booked(account_id, _book(account_id, number, transfer, form), number)
            except DomainError as error:
                _explain(form, error)
                if error.code == "transfer_changed":
                    plan = _again(account_id, number, transfer)
        status = 422 if form.summary else 200
    else:
        status = 422
    if plan is not None:
        form.shown.data = plan.key
    return respond("desk/payments/book.html", None, status, account=account, invoice=invoice,
                   form=form, plan=plan, refusal=refusal)  # fmt: skip


@blueprint.route("/<int:account_id>/payments/deposit", methods=["GET", "POST"])
@requires(StaffPermission.SERVE)
def deposit(account_id: int) -> ResponseReturnValue:
    """Book a transfer that pays no invoice: it stands on the balance."""
    account = desk_account(account_id)
    form, plan, status = TransferForm(), None, 200
    if request.method == "GET":
        _propose(form, None)
    else:
        transfer = _transfer(form, account.currency)
        if transfer is not None:
            try:
                plan = plan_deposit(
                    transfer.amount, account.currency, transfer.received_on, _today()
                )
                # The balance is in the key, so that a second click books nothing.
                if _is_confirmed() and form.shown.data == f"{plan.key}:{account.balance.minor}":
                    stop_reading()
                    with transaction() as session:
                        book_deposit(session, account_id, transfer, shown=account.balance,
                                     catalogue=parts().catalogue, actor=acting_staff(),
                                     now=parts().clock.now())  # fmt: skip
                    flash(
                        _("%(amount)s is booked, and stands on the balance.",
                          amount=_money(plan.amount)),
                        "good",
                    )  # fmt: skip
                    return see_other(url_for("desk_payments.index", account_id=account_id))
                if _is_confirmed():
                    _explain(form, DomainError("balance_changed", balance=account.balance))
            except DomainError as error:
                _explain(form, error)
        status = 422 if form.summary else 200
    if plan is not None:
        form.shown.data = f"{plan.key}:{account.balance.minor}"
    return respond("desk/payments/deposit.html", None, status, account=account, form=form,
                   plan=plan)  # fmt: skip


@blueprint.post("/<int:account_id>/payments/<int:payment_id>/take-back")
@requires(StaffPermission.SERVE)
def take_back(account_id: int, payment_id: int) -> ResponseReturnValue:
    """A transfer was booked by mistake: the invoice is open again."""
    desk_account(account_id)
    stop_reading()
    try:
        with transaction() as session:
            take_back_transfer(session, account_id, payment_id, catalogue=parts().catalogue,
                               actor=acting_staff(), now=parts().clock.now())  # fmt: skip
    except DomainError as error:
        if error.code == "payment_unknown":
            abort(404)
        flash(error_sentence(error), "bad")
    else:
        flash(_("The booking is taken back."), "good")
    return see_other(url_for("desk_payments.index", account_id=account_id))


@blueprint.route("/<int:account_id>/payments/pay-back", methods=["GET", "POST"])
@requires(StaffPermission.CREDIT)
def pay_back(account_id: int) -> ResponseReturnValue:
    """Record that money of the balance is transferred to the customer's bank."""
    account = desk_account(account_id)
    form, status = PayoutForm(), 200
    if request.method == "GET":
        form.amount.data = form.amount.data or typed_amount(account.balance)
    else:
        amount = read_amount(form, form.amount, account.currency) if form.validate() else None
        if amount is not None:
            stop_reading()
            try:
                shown = Money(int(form.shown.data or ""), account.currency)
                with transaction() as session:
                    pay_back_balance(session, account_id, amount, shown=shown,
                                     note=form.note.data or "", actor=acting_staff(),
                                     now=parts().clock.now())  # fmt: skip
            except ValueError:
                abort(400)
            except DomainError as error:
                _explain(form, error)
            else:
                flash(_("%(amount)s is recorded as paid back.", amount=_money(amount)), "good")
                return see_other(url_for("desk_payments.index", account_id=account_id))
        status = 422
    form.shown.data = str(account.balance.minor)
    return respond("desk/payments/pay_back.html", None, status, account=account, form=form)


def _book(account_id: int, number: str, transfer: Transfer, form: TransferForm) -> Booked:
    stop_reading()
    with transaction() as session:
        return book_transfer(
            session, account_id, number, transfer, shown=form.shown.data or "",
            catalogue=parts().catalogue, actor=acting_staff(), now=parts().clock.now(),
        )  # fmt: skip


def _booked(account_id: int, booked: Booked, number: str) -> ResponseReturnValue:
    plan = booked.plan
    said = [
        _("%(amount)s is booked for invoice %(number)s.", amount=_money(plan.amount), number=number)
    ]
    if not plan.settles:
        said.append(_("%(amount)s of it is still to be paid.", amount=_money(plan.left)))
    elif booked.granted:
        said.append(_("The invoice is paid, and the order is carried out."))
    else:
        said.append(_("The invoice is paid."))
    if not plan.to_balance.is_zero:
        said.append(
            _("%(amount)s stands on the customer’s balance.", amount=_money(plan.to_balance))
        )
    flash(" ".join(said), "good")
    return see_other(url_for("desk_accounts.invoice", account_id=account_id, number=number))


def _again(account_id: int, number: str, transfer: Transfer) -> TransferPlan | None:
    """What booking would do now, after somebody else has booked something."""
    document = get_invoice(
        read_connection(), account_id, number, parts().catalogue.vendor.time_zone
    )
    assert document is not None, "an invoice stays"
    try:
        return invoice_plan(document, transfer.amount, transfer.received_on, _today())
    except DomainError:
        return None


def _transfer(form: TransferForm, currency: str) -> Transfer | None:
    valid = form.validate()
    amount = read_amount(form, form.amount, currency)
    if not valid or amount is None or form.received_on.data is None:
        return None
    return Transfer(amount, form.received_on.data, form.reference.data or "")


def _propose(form: TransferForm, amount: Money | None) -> None:
    """What is usual: all that is open, and today; typed input that was kept stays."""
    if not form.amount.data and amount is not None:
        form.amount.data = typed_amount(amount)
    form.received_on.data = form.received_on.data or _today()


def _refusal(invoice: InvoiceDocument) -> str | None:
    """Why nothing can be booked for the invoice at all; None where something can."""
    try:
        invoice_plan(invoice, invoice.money(1), _today(), _today())
    except DomainError as error:
        return error_sentence(error)
    return None


def _explain(form: TransferForm | PayoutForm, error: DomainError) -> None:
    field = {"transfer_in_future": "received_on"}.get(error.code, "amount")
    form.problem("" if error.code.endswith("_changed") else field, error_sentence(error))


def _is_confirmed() -> bool:
    return request.form.get("action") == "book"


def _today() -> date:
    """The vendor's day: money arrives at the vendor's bank."""
    return parts().clock.today(parts().catalogue.vendor.time_zone)


def _money(amount: Money) -> str:
    return formats.format_money(amount, speech().locale)
