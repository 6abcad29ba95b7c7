"""Invoices that are owed: what news of their money makes of the case, and what a day does (M5).

Whatever tells that a charge failed, that money came or was taken back ends here, in the
transaction that settles it; what only time brings is done by `attend_invoice` (jobs). The account
is locked by whoever calls.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.dunning import (
    CaseState,
    DunningAction,
    DunningMail,
    DunningStep,
    access_ends_on,
    plan_dunning_step,
    plan_telling,
)
from portal.domain.periods import local_date
from portal.models import Account, BillingPeriod, DunningCase, Invoice
from portal.services.audit import SYSTEM, record
from portal.services.case_closing import close_case, get_case
from portal.services.dunning_mails import tell_of_case
from portal.services.invoice_charges import (
    TAKEN_BACK,
    InvoiceCharges,
    charge_invoice,
    default_method,
    owed_of,
    read_charges,
)
from portal.services.outbox import open_desk_task
from portal.services.renewals import renew_due_of_account
from portal.services.small_rests import leave_open
from portal.services.suspension import (
    is_granted,
    list_subscriptions_of,
    restore_access,
    suspend_access,
)

__all__ = [
    "attend_invoice", "booking_taken_back", "charge_failed", "debit_accepted", "money_came",
    "money_taken_back",
]  # fmt: skip


def charge_failed(
    session: Session,
    account: Account,
    invoice: Invoice,
    *,
    reason: str,
    hard: bool,
    on_session: bool,
    catalogue: Catalogue,
    now: datetime,
    method_id: int | None = None,
) -> None:
    """A charge of an open invoice failed: the case opens, or goes on with its next mail.

    `hard` stops the retries until there is another method. Who waits on screen (`on_session`)
    sees it there and gets no mail; a case that begins so is told of by the job. Where the account
    has another method by now than the one that failed (`method_id`), that one is tried at once.
    """
    if owed_of(invoice) == 0:
        return
    charges = read_charges(session, invoice)
    if leave_open(session, account, invoice, charges, catalogue=catalogue, now=now):
        return
    today = local_date(now, account.time_zone)
    case = _open(session, account, invoice, today, reason, catalogue, now)
    if case.status != "open":
        return
    case.reason = reason
    method = default_method(session, account, now)
    replaced = method_id is not None and method is not None and method.id != method_id
    if replaced and invoice.payment_terms == "automatic" and charges.unsettled is None:
        assert method is not None
        case.stopped_because = None
        charge_invoice(session, account, invoice, method, charges, now=now)
    elif hard:
        case.stopped_because = reason
    if not on_session:
        state = _state(session, account, case, invoice, read_charges(session, invoice), now)
        if state.under_way:
            return
        plan = plan_telling(state, case.step, today, catalogue.policy.dunning)
        _apply(session, account, case, invoice, plan, today, catalogue, now)
    session.flush()


def debit_accepted(
    session: Session, account: Account, invoice: Invoice, *, catalogue: Catalogue, now: datetime
) -> None:
    """A debit of an owed invoice is on its way: access is back, and nothing more is asked (Q3, M4).

    The case stays open until the debit is settled; one that fails goes on where it stood.
    """
    case = get_case(session, invoice)
    if case is None or case.status != "open" or invoice.status != "pending":
        return
    restored = restore_access(session, account, case, invoice, catalogue=catalogue, now=now)
    ends_on = access_ends_on(case.started_on, catalogue.policy.dunning)
    case.next_on = max(ends_on, local_date(now, account.time_zone))
    session.flush()
    if restored:
        renew_due_of_account(session, account, catalogue=catalogue, now=now)


def money_came(
    session: Session, account: Account, invoice: Invoice, *, catalogue: Catalogue, now: datetime
) -> None:
    """Nothing is owed any more: the case closes, access is back, renewals that were due are made.

    What the provider may still collect for the invoice is cancelled there. Where only a part came
    the case goes on, unless the rest is too little to be charged.
    """
    if invoice.status == "open":
        charges = read_charges(session, invoice)
        leave_open(session, account, invoice, charges, catalogue=catalogue, now=now)
        return
    restored = close_case(session, account, invoice, catalogue=catalogue, now=now)
    if restored:
        renew_due_of_account(session, account, catalogue=catalogue, now=now)


def money_taken_back(
    session: Session, account: Account, invoice: Invoice, *, catalogue: Catalogue, now: datetime
) -> None:
    """The bank took back what had arrived (M4): the invoice is owed again, and a case begins."""
    charge_failed(
        session, account, invoice, reason=TAKEN_BACK, hard=True, on_session=False,
        catalogue=catalogue, now=now,
    )  # fmt: skip


def booking_taken_back(
    session: Session, account: Account, invoice: Invoice, *, catalogue: Catalogue, now: datetime
) -> None:
    """A transfer was booked by mistake: the case that it closed begins anew, counted from today.

    An invoice that had none gets its case like any other, once it is overdue.
    """
    case = get_case(session, invoice)
    if case is not None and case.status == "recovered" and owed_of(invoice) > 0:
        _open(session, account, invoice, local_date(now, account.time_zone), "", catalogue, now)


def attend_invoice(
    session: Session, account: Account, invoice: Invoice, *, catalogue: Catalogue, now: datetime
) -> None:
    """Do what today brings for one invoice: close its case, open one, or its next step."""
    if invoice.status not in ("open", "pending"):
        money_came(session, account, invoice, catalogue=catalogue, now=now)
        return
    today, policy = local_date(now, account.time_zone), catalogue.policy.dunning
    if not is_granted(session, invoice):
        # Nothing was given for it: it lapses, or the account executive withdraws it (Q3).
        if today > invoice.due_on:
            open_desk_task(session, "transfer_overdue", account_id=account.id, now=now,
                           dedupe_key=f"transfer_overdue:{invoice.id}",
                           details={"invoice": invoice.number})  # fmt: skip
        return
    case = get_case(session, invoice)
    charges = read_charges(session, invoice)
    if leave_open(session, account, invoice, charges, catalogue=catalogue, now=now):
        return
    if case is None:
        if owed_of(invoice) == 0 or today <= invoice.due_on or charges.unsettled is not None:
            return
        case = _open(session, account, invoice, invoice.due_on, "", catalogue, now)
    if case.status != "open":
        return
    state = _state(session, account, case, invoice, charges, now)
    plan = plan_dunning_step(state, today, policy)
    _apply(session, account, case, invoice, plan, today, catalogue, now)
    session.flush()


def _open(
    session: Session,
    account: Account,
    invoice: Invoice,
    started_on: date,
    reason: str,
    catalogue: Catalogue,
    now: datetime,
) -> DunningCase:
    """The invoice's case, opened where there is none, and anew where its money had come."""
    case = get_case(session, invoice)
    if case is not None and case.status != "recovered":
        return case
    if case is None:
        case = DunningCase(account_id=account.id, invoice_id=invoice.id)
        session.add(case)
    case.status, case.opened_at, case.closed_at = "open", now, None
    case.started_on, case.step, case.next_on = started_on, 0, started_on
    ends_on = access_ends_on(started_on, catalogue.policy.dunning)
    running = (one.status != "ended" for one in list_subscriptions_of(session, invoice))
    case.suspends_on = ends_on if any(running) else None
    case.told_on = case.suspended_at = case.stopped_because = None
    case.reason = reason
    record(session, "dunning_started", actor=SYSTEM, now=now, account_id=account.id,
           subject=invoice.number,
           new={"gross_minor": owed_of(invoice), "currency": invoice.currency})  # fmt: skip
    session.flush()
    return case


def _state(
    session: Session, account: Account, case: DunningCase, invoice: Invoice,
    charges: InvoiceCharges, now: datetime,
) -> CaseState:  # fmt: skip
    may_charge = (
        invoice.payment_terms == "automatic"
        and case.stopped_because is None
        and charges.unsettled is None
        and owed_of(invoice) > 0
        and default_method(session, account, now) is not None
    )
    return CaseState(
        started_on=case.started_on,
        step=case.step,
        told_on=case.told_on,
        suspended=case.suspended_at is not None,
        may_charge=may_charge,
        under_way=charges.under_way or invoice.status == "pending",
        reason=case.reason,
    )


def _apply(
    session: Session,
    account: Account,
    case: DunningCase,
    invoice: Invoice,
    plan: DunningStep,
    today: date,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    case.step, case.next_on = plan.step, plan.next_on
    if plan.action is DunningAction.RETRY:
        method = default_method(session, account, now)
        assert method is not None, "the plan asked for a method"
        charge_invoice(session, account, invoice, method, read_charges(session, invoice), now=now)
        record(session, "invoice_retried", actor=SYSTEM, now=now, account_id=account.id,
               subject=invoice.number)  # fmt: skip
    elif plan.action is DunningAction.SUSPEND:
        _suspend(session, account, case, invoice, today, catalogue, now)
    elif plan.action is DunningAction.TELL:
        assert plan.mail is not None
        retries = plan.next_on is not None and _is_retry_day(case, plan.next_on, catalogue)
        state = _state(session, account, case, invoice, read_charges(session, invoice), now)
        tell_of_case(
            session, account, case, invoice, plan.mail, today=today, now=now,
            retry_on=plan.next_on if retries and state.may_charge else None,
        )  # fmt: skip
        case.told_on = case.told_on or today


def _is_retry_day(case: DunningCase, on: date, catalogue: Catalogue) -> bool:
    return (on - case.started_on).days in catalogue.policy.dunning.retry_days


def _suspend(
    session: Session,
    account: Account,
    case: DunningCase,
    invoice: Invoice,
    today: date,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    suspended = suspend_access(session, account, case, invoice, catalogue=catalogue, now=now)
    if not suspended:  # nothing of it runs any more: what is left is for people
        case.status, case.closed_at, case.next_on = "ended", now, None
        open_desk_task(session, "owed_without_access", account_id=account.id, now=now,
                       dedupe_key=f"owed_without_access:{case.id}",
                       details={"invoice": invoice.number})  # fmt: skip
        return
    ends = select(BillingPeriod.ends_on).where(
        BillingPeriod.subscription_id.in_([one.id for one in suspended]), BillingPeriod.is_current
    )
    tell_of_case(
        session, account, case, invoice, DunningMail.SUSPENDED, today=today, now=now,
        ends_on=min(session.scalars(ends), default=None),
    )  # fmt: skip
    open_desk_task(session, "account_suspended", account_id=account.id, now=now,
                   dedupe_key=f"account_suspended:{case.id}:{case.started_on.isoformat()}",
                   details={"invoice": invoice.number})  # fmt: skip
