"""What follows from the outcome of a top-up's charge: credits and an invoice, or the next try (W2, W3).

Called by `payment_settlement` in the transaction that settles; the account is locked.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.dunning import is_hard_decline
from portal.domain.order_lines import SoldOnce
from portal.domain.wallet import plan_top_up_failure
from portal.languages import language
from portal.models import Account, Invoice, Payment, PaymentAttempt, TopUp, Wallet
from portal.payments.gateway import SETTINGS_REFUSALS, ChargeOutcome
from portal.services.audit import Actor, record
from portal.services.auto_top_up import ask_top_up
from portal.services.invoicing import DraftLine, issue_invoice
from portal.services.outbox import enqueue_job, open_desk_task
from portal.services.wallet_entries import credit, wallet_of
from portal.services.wallet_mails import tell_of_failed_top_up, tell_of_top_up
from portal.wording import goods_words

__all__ = ["top_up_failed", "top_up_paid"]

_GATEWAY = Actor("gateway", "")


def top_up_paid(
    session: Session,
    account: Account,
    payment: Payment,
    *,
    catalogue: Catalogue,
    status: str,
    now: datetime,
) -> Invoice:
    """The money is certain (Q3): the invoice is issued and the credits arrive, once (I3, W2).

    `status` is the invoice's: `paid`, or `pending` for a debit that was accepted. Money that comes
    after the top-up was given up buys what it was for all the same.
    """
    top_up, wallet = _locked(session, account, payment)
    issued = session.get(Invoice, top_up.invoice_id) if top_up.invoice_id is not None else None
    if issued is not None:
        return issued
    invoice = issue_invoice(
        session, account=account, catalogue=catalogue, kind="wallet", lines=[_line(account, top_up, catalogue)],
        net_minor=top_up.net_minor, tax_minor=top_up.tax_minor, tax=top_up.tax, buyer=top_up.buyer,
        status=status, now=now,
    )  # fmt: skip
    payment.invoice_id = invoice.id
    top_up.invoice_id, top_up.status, top_up.settled_at = invoice.id, "done", now
    top_up.failure_code = None
    credit(session, account.id, top_up.credits, reason="top_up", top_up_id=top_up.id, now=now)
    wallet.declines, wallet.next_try_at = 0, None
    record(session, "top_up_done", actor=_GATEWAY, now=now, account_id=account.id,
           subject=invoice.number,
           new={"credits": top_up.credits, "gross_minor": invoice.gross_minor,
                "currency": invoice.currency})  # fmt: skip
    tell_of_top_up(session, account, top_up, invoice, payment.method_id, wallet.balance, now)
    if wallet.auto_top_up and wallet.balance < (wallet.threshold or 0):
        ask_top_up(session, wallet, now)  # one pack was not enough
    session.flush()
    return invoice


def top_up_failed(
    session: Session,
    account: Account,
    payment: Payment,
    attempt: PaymentAttempt,
    outcome: ChargeOutcome,
    now: datetime,
) -> None:
    """Nothing arrives. The next try waits; after the third decline in a row it is off (W3)."""
    top_up, wallet = _locked(session, account, payment)
    if top_up.status != "open":
        return
    code = attempt.decline_code or attempt.status
    top_up.status, top_up.failure_code, top_up.settled_at = "failed", code, now
    wallet.top_up_asked = False
    if attempt.gateway_ref:  # nobody confirms it any more: the next try is a charge of its own
        enqueue_job(session, "cancel_charge", {"payment_id": payment.id}, run_at=now, now=now,
                    dedupe_key=f"cancel_charge:{payment.id}")  # fmt: skip
    is_ours = code in SETTINGS_REFUSALS
    plan = plan_top_up_failure(
        wallet.declines, is_ours=is_ours, now=now,
        hard=is_hard_decline(attempt.decline_code, attempt.advice_code, outcome.may_retry),
    )  # fmt: skip
    was_on = wallet.auto_top_up
    if was_on:  # else there is no next try, and the customer switched it off
        wallet.declines, wallet.next_try_at = plan.declines, plan.next_try_at
    if is_ours:
        open_desk_task(session, "top_up_refused", dedupe_key=f"top_up_refused:{top_up.id}",
                       details={"top_up_id": top_up.id, "code": code}, now=now,
                       account_id=account.id)  # fmt: skip
        return
    record(session, "top_up_failed", actor=_GATEWAY, now=now, account_id=account.id,
           new={"code": code, "advice": attempt.advice_code, "credits": top_up.credits,
                "gross_minor": top_up.amount_minor, "currency": top_up.currency})  # fmt: skip
    if plan.is_off and was_on:
        wallet.auto_top_up = False
        record(session, "auto_top_up_ended", actor=_GATEWAY, now=now, account_id=account.id,
               new={"code": code, "declines": plan.declines})  # fmt: skip
    next_try_at = plan.next_try_at if was_on else None
    tell_of_failed_top_up(
        session, account, top_up, balance=wallet.balance, next_try_at=next_try_at, now=now
    )
    session.flush()


def _locked(session: Session, account: Account, payment: Payment) -> tuple[TopUp, Wallet]:
    wallet = wallet_of(session, account.id)
    top_up = session.scalars(
        select(TopUp)
        .where(TopUp.id == payment.top_up_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    return top_up, wallet


def _line(account: Account, top_up: TopUp, catalogue: Catalogue) -> DraftLine:
    sold = SoldOnce(pack=top_up.pack_key, credits=top_up.credits)
    return DraftLine(
        kind="credits",
        description=goods_words(language(account.locale), catalogue, sold),
        item_id=None,
        quantity=1,
        unit_minor=top_up.net_minor,
        discount_basis_points=0,
        days_left=None,
        days=None,
        period_starts_on=None,
        period_ends_on=None,
        net_minor=top_up.net_minor,
        tax_rate=str(top_up.tax["rate"]),
    )
