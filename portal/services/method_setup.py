"""Saving a payment method on the provider's page: reserve, call, settle (rule 4 of the road).

`begin_method_setup` and `settle_method_setup` write in the caller's transaction, as every service
does. `open_method_setup` and `finish_method_setup` go to the provider in between: they are handed
the edge's `transaction` and hold none while they call.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.db import Transaction
from portal.domain.errors import DomainError
from portal.domain.payment_methods import refusal_of
from portal.domain.periods import local_date
from portal.models import Account, MethodSetup, PaymentMethod, Person
from portal.payments.gateway import (
    Customer,
    Gateway,
    GatewayRefused,
    MethodFacts,
    MethodKind,
    Patience,
    SetupOutcome,
    SetupRequest,
    SetupStatus,
)
from portal.services.audit import Actor, record
from portal.services.auto_top_up import retry_with_new_method
from portal.services.invoice_charges import retry_with_method
from portal.services.locks import lock_account
from portal.services.method_detaching import detach_later, retire_method, shown_of
from portal.services.outbox import enqueue_job

__all__ = [
    "SetupAddresses", "begin_method_setup", "finish_method_setup",
    "open_method_setup", "settle_method_setup",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class SetupAddresses:
    """Where the provider's page sends the browser, absolute; the same at every try."""

    returned: str
    cancelled: str


def begin_method_setup(
    session: Session, account_id: int, person_id: int, return_path: str, now: datetime
) -> MethodSetup:
    """Reserve a visit to the provider's page, its key stored before any call (M1).

    `return_path` is the portal's own path that the customer goes on with. DomainError
    `method_not_for_bank_transfer` for an account that pays by bank transfer.
    """
    account = lock_account(session, account_id)
    if account.payment_terms != "automatic":
        raise DomainError("method_not_for_bank_transfer")
    setup = MethodSetup(
        account_id=account_id,
        person_id=person_id,
        idempotency_key=f"new:{secrets.token_hex(16)}",
        return_path=return_path,
        status="reserved",
        created_at=now,
    )
    session.add(setup)
    session.flush()
    setup.idempotency_key = f"setup:{setup.id}"
    session.flush()
    return setup


def open_method_setup(
    transaction: Transaction,
    gateway: Gateway,
    setup_id: int,
    addresses: SetupAddresses,
    *,
    now: datetime,
    patience: Patience,
) -> None:
    """Ask the provider for its page; a visit that is open already is left alone.

    GatewayUnknown leaves it reserved: calling again asks with the same key. A definite refusal is
    kept as the visit's `refusal`.
    """
    with transaction() as session:
        setup = session.get_one(MethodSetup, setup_id)
        if setup.status != "reserved":
            return
        account = session.get_one(Account, setup.account_id)
        person = session.get_one(Person, setup.person_id)
        key, locale, account_id = setup.idempotency_key, person.locale, account.id
        currency = account.currency
        customer_ref = account.gateway_customer
        kinds = (MethodKind.CARD, MethodKind.SEPA_DEBIT)[: 2 if account.currency == "EUR" else 1]
        customer = Customer(f"cust:{account.id}", account.company_name, account.billing_email)
    try:
        if customer_ref is None:
            customer_ref = gateway.ensure_customer(customer, patience)
            with transaction() as session:
                account = lock_account(session, account_id)
                account.gateway_customer = account.gateway_customer or customer_ref
                customer_ref = account.gateway_customer
        page = gateway.open_setup(
            SetupRequest(
                key=key,
                customer_ref=customer_ref,
                reference=key,
                return_url=addresses.returned,
                cancel_url=addresses.cancelled,
                locale=locale,
                kinds=kinds,
                currency=currency,
            ),
            patience,
        )
    except GatewayRefused as refused:
        with transaction() as session:
            setup = _locked(session, setup_id)
            if setup.status == "reserved":
                _close(setup, "refused", now, refusal=refused.code)
        return
    with transaction() as session:
        setup = _locked(session, setup_id)
        if setup.status == "reserved":
            setup.status = "open"
            setup.gateway_ref = page.ref
            setup.page_url = page.url


def finish_method_setup(
    transaction: Transaction,
    gateway: Gateway,
    setup_id: int,
    *,
    now: datetime,
    patience: Patience,
) -> None:
    """Read the visit again from the provider and settle it; once settled nothing is asked.

    Raises GatewayUnknown, GatewayRefused, and DomainError `setup_not_ours`.
    """
    with transaction() as session:
        setup = session.get_one(MethodSetup, setup_id)
        if setup.status != "open" or setup.gateway_ref is None:
            return
        ref = setup.gateway_ref
    outcome = gateway.get_setup(ref, patience)
    with transaction() as session:
        settle_method_setup(session, setup_id, outcome, now)


def settle_method_setup(
    session: Session, setup_id: int, outcome: SetupOutcome, now: datetime
) -> MethodSetup:
    """Take over what the provider says of a visit; twice, late or in any order (M2).

    A completed one whose method is neither prepaid nor expired gives the account its new default
    method, and only then is the old one removed (M3); of several visits that were completed the
    one begun last counts, in whatever order the news of them comes. What is refused or replaced
    is detached at the provider by a job. DomainError `setup_not_ours` where customer or reference
    differ.
    """
    setup = session.get_one(MethodSetup, setup_id)
    account = lock_account(session, setup.account_id)
    setup = _locked(session, setup_id)
    ours = (
        outcome.reference == setup.idempotency_key
        and outcome.customer_ref == account.gateway_customer
        and setup.gateway_ref in {None, outcome.ref}
    )
    if not ours:
        raise DomainError("setup_not_ours")
    if setup.status not in {"reserved", "open"}:
        return setup
    setup.gateway_ref = outcome.ref
    if outcome.status is SetupStatus.EXPIRED:
        _close(setup, "cancelled", now)
    elif outcome.status is SetupStatus.FAILED:
        _close(setup, "refused", now, refusal="setup_failed")
    elif outcome.status is SetupStatus.COMPLETED and outcome.method is not None:
        _take_method(session, account, setup, outcome.method, now)
    session.flush()
    return setup


def _take_method(
    session: Session, account: Account, setup: MethodSetup, facts: MethodFacts, now: datetime
) -> None:
    today = local_date(now, account.time_zone)
    refusal = refusal_of(facts.funding, facts.expires_year, facts.expires_month, today)
    if account.payment_terms != "automatic":
        refusal = "method_not_for_bank_transfer"  # the vendor changed it while the page was open
    elif refusal is None and _is_overtaken(session, setup):
        refusal = "setup_overtaken"
    if refusal is not None:
        _close(setup, "refused", now, refusal=refusal)
        detach_later(session, facts.ref, now)
        return
    old = session.scalars(
        select(PaymentMethod).where(
            PaymentMethod.account_id == account.id,
            PaymentMethod.is_default,
            PaymentMethod.removed_at.is_(None),
        )
    ).one_or_none()
    if old is not None:
        retire_method(session, old, now)
    method = PaymentMethod(
        account_id=account.id,
        kind=facts.kind.value,
        gateway_ref=facts.ref,
        brand=facts.brand,
        last4=facts.last4,
        expires_year=facts.expires_year,
        expires_month=facts.expires_month,
        funding=facts.funding,
        mandate_ref=facts.mandate_ref,
        is_default=True,
        added_at=now,
    )
    session.add(method)
    session.flush()
    setup.payment_method_id = method.id
    _close(setup, "completed", now)
    person = session.get_one(Person, setup.person_id)
    record(
        session,
        "payment_method_replaced" if old is not None else "payment_method_added",
        actor=Actor("person", person.name, person.id),
        now=now,
        account_id=account.id,
        subject=method.brand,
        old=shown_of(old) if old is not None else None,
        new=shown_of(method),
    )
    # It may have been detached or renewed since, by news that came before it was known here.
    enqueue_job(
        session,
        "refresh_method",
        {"method_ref": method.gateway_ref},
        run_at=now,
        now=now,
        dedupe_key=f"refresh_method:{method.id}",
    )
    retry_with_method(session, account, method, now, asked=True)  # what is owed, at once (M5)
    retry_with_new_method(session, account.id, now)


def _is_overtaken(session: Session, setup: MethodSetup) -> bool:
    """Whether a visit that was begun later has given the account its method already."""
    query = select(MethodSetup.id).where(
        MethodSetup.account_id == setup.account_id,
        MethodSetup.id > setup.id,
        MethodSetup.status == "completed",
    )
    return session.scalars(query.limit(1)).first() is not None


def _locked(session: Session, setup_id: int) -> MethodSetup:
    """The visit as it is now, locked until the transaction ends."""
    query = select(MethodSetup).where(MethodSetup.id == setup_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _close(setup: MethodSetup, status: str, now: datetime, refusal: str | None = None) -> None:
    setup.status = status
    setup.refusal = refusal[:40] if refusal is not None else None
    setup.settled_at = now
