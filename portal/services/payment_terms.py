"""Whether an account pays automatically or by bank transfer: the vendor's choice (I3, S4)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from portal.domain.errors import DomainError
from portal.domain.payment_methods import NeedKind
from portal.models import Account, ChangeRequest, Payment, PaymentAttempt
from portal.queries.method_needs import list_owed
from portal.services.audit import Actor, record
from portal.services.locks import lock_account
from portal.services.method_detaching import retire_method
from portal.services.method_removal import default_method_of
from portal.services.quoting import expire_quotes_of

__all__ = ["PAYMENT_TERMS", "change_payment_terms"]

PAYMENT_TERMS = ("automatic", "bank_transfer")


def change_payment_terms(
    session: Session, account_id: int, terms: str, *, actor: Actor, now: datetime
) -> bool:
    """From now on the account pays by `terms`; False where it does already.

    Refused while it would leave something half done, with a DomainError: `account_unknown`;
    `terms_order_open`, `terms_invoice_open`, each with the `numbers`; `terms_payment_open`;
    `terms_top_up`; `terms_request_open`. With the change to bank transfer a saved method is
    removed, as nothing is charged with it any more, and open quotes expire: they are paid on
    screen, or not at all.
    """
    assert terms in PAYMENT_TERMS, terms
    if session.get(Account, account_id) is None:
        raise DomainError("account_unknown")
    account = lock_account(session, account_id)
    session.refresh(account)
    if account.payment_terms == terms:
        return False
    _check_nothing_half_done(session, account_id)
    old = account.payment_terms
    account.payment_terms = terms
    method = default_method_of(session, account_id)
    if terms == "bank_transfer":
        expire_quotes_of(session, account, now=now)
        if method is not None:
            retire_method(session, method, now)
    record(
        session,
        "payment_terms_changed",
        actor=actor,
        now=now,
        account_id=account_id,
        subject=account.name,
        old={"payment_terms": old},
        new={"payment_terms": terms},
    )
    session.flush()
    return True


def _check_nothing_half_done(session: Session, account_id: int) -> None:
    owed = list_owed(session.connection(), account_id)
    for kind, code in (
        (NeedKind.ORDER, "terms_order_open"),
        (NeedKind.INVOICE, "terms_invoice_open"),
    ):
        numbers = [need.name for need in owed if need.kind is kind]
        if numbers:
            raise DomainError(code, numbers=", ".join(numbers))
    if any(need.kind is NeedKind.TOP_UP for need in owed):
        raise DomainError("terms_top_up")
    unsettled = exists().where(
        Payment.account_id == account_id,
        PaymentAttempt.payment_id == Payment.id,
        PaymentAttempt.settled_at.is_(None),
    )
    if session.scalar(select(unsettled)):
        raise DomainError("terms_payment_open")
    waiting = exists().where(
        ChangeRequest.account_id == account_id, ChangeRequest.closed_at.is_(None)
    )
    if session.scalar(select(waiting)):
        raise DomainError("terms_request_open")
