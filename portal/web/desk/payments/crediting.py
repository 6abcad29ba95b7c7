"""Crediting an invoice at the desk: which lines, how much, why; shown first, then issued (I2)."""

from __future__ import annotations

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal import formats
from portal.db import transaction
from portal.documents.invoice_document import InvoiceDocument
from portal.domain.crediting import CreditPlan
from portal.domain.errors import DomainError
from portal.domain.permissions import StaffPermission
from portal.queries.invoices import get_invoice
from portal.services.desk_crediting import (
    credit_key,
    issue_credit,
    plan_desk_credit,
    plan_desk_take_back,
)
from portal.web.access import requires
from portal.web.amounts import typed_amount, understood_amount
from portal.web.desk.payments.forms import CreditForm
from portal.web.desk.serving import acting_staff, desk_account
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import parts, read_connection, stop_reading

__all__ = ["add_to"]


def add_to(blueprint: Blueprint) -> None:
    """Add the route to the area."""
    blueprint.add_url_rule("/<int:account_id>/invoices/<number>/credit", "credit", credit,
                           methods=["GET", "POST"])  # fmt: skip


@requires(StaffPermission.CREDIT)
def credit(account_id: int, number: str) -> ResponseReturnValue:
    """Credit an invoice, all that is left of it or amounts by line."""
    account = desk_account(account_id)
    invoice = get_invoice(read_connection(), account_id, number, parts().catalogue.vendor.time_zone)
    if invoice is None:
        abort(404)
    form, plan, pack, status = CreditForm(), None, None, 200
    typed = {line.position: request.form.get(f"line_{line.position}", "").strip()
             for line in invoice.lines}  # fmt: skip
    wrong: dict[int, str] = {}
    if request.method == "POST":
        amounts, wrong = _amounts(invoice, typed)
        stop_reading()
        try:
            if not wrong:
                with transaction() as session:
                    plan = plan_desk_credit(session, account_id, number, amounts)
                    pack = plan_desk_take_back(session, account_id, number, plan)
            if form.validate() and plan is not None and request.form.get("action") == "issue":
                with transaction() as session:
                    note = issue_credit(
                        session, account_id, number, amounts, shown=form.shown.data or "",
                        reason=form.reason.data or "", catalogue=parts().catalogue,
                        actor=acting_staff(), now=parts().clock.now(),
                        credits_back=request.form.get("credits_back", 0, type=int),
                    )  # fmt: skip
                flash(_issued(note.number, plan), "good")
                return see_other(
                    url_for("desk_accounts.credit_note", account_id=account_id,
                            credit_note=note.number)
                )  # fmt: skip
        except DomainError as error:
            line = error.data.get("line")
            if isinstance(line, int) and line in typed:
                wrong[line] = error_sentence(error)
            else:
                form.problem("", error_sentence(error))
        status = 422 if wrong or form.summary else 200
    if plan is not None:
        form.shown.data = credit_key(plan)
    return respond("desk/payments/credit.html", None, status, account=account, invoice=invoice,
                   form=form, plan=plan, pack=pack, typed=typed, wrong=wrong)  # fmt: skip


def _amounts(
    invoice: InvoiceDocument, typed: dict[int, str]
) -> tuple[dict[int, int] | None, dict[int, str]]:
    """The net amounts by line; None, all that is left, where nothing was typed."""
    amounts, wrong = {}, {}
    for line in invoice.lines:
        text = typed[line.position]
        if not text:
            continue
        try:
            understood = understood_amount(text, invoice.currency)
        except DomainError as error:
            wrong[line.position] = error_sentence(error)
            continue
        typed[line.position] = typed_amount(understood)
        # A line that took off is credited below zero: nobody types the minus.
        amount = understood.minor
        amounts[line.position] = amount if line.net_minor >= 0 else -amount
    return amounts or None, wrong


def _issued(number: str, plan: CreditPlan) -> str:
    amount = formats.format_money(plan.totals.gross, speech().locale)
    return _("Credit note %(number)s of %(amount)s is issued.", number=number, amount=amount)
