"""Methods that change at the provider: a card that was renewed, one that can be charged no more.

The provider's present state counts, whatever event told of it (M2). A method that is out of use
here stays so: nothing brings it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.db import Transaction
from portal.models import Account, Member, MethodSetup, PaymentMethod, Person
from portal.payments.gateway import (
    Gateway,
    GatewayRefused,
    GatewayUnknown,
    MethodFacts,
    MethodKind,
    Patience,
)
from portal.services.audit import Actor, record
from portal.services.auto_top_up import retry_with_new_method
from portal.services.invoice_charges import retry_with_method
from portal.services.locks import lock_account
from portal.services.method_detaching import retire_method, shown_of
from portal.services.outbox import enqueue_mail

__all__ = ["KnownMethod", "MethodMoved", "note_method", "refresh_method", "settle_method"]

GATEWAY = Actor("gateway", "")
_TRIES = 5


class MethodMoved(Exception):
    """Somebody else wrote the method since it was noted: what was read may be older than theirs."""


@dataclass(frozen=True, slots=True)
class KnownMethod:
    """A method as it stands here before the provider is asked."""

    id: int
    account_id: int
    in_use: bool
    facts: MethodFacts


def note_method(session: Session, method_ref: str) -> KnownMethod | None:
    """What is known of a method now; None for one that is not ours."""
    method = session.scalars(
        select(PaymentMethod)
        .where(PaymentMethod.gateway_ref == method_ref)
        .execution_options(populate_existing=True)
    ).one_or_none()
    return _known(method) if method is not None else None


def refresh_method(
    transaction: Transaction,
    gateway: Gateway,
    method_ref: str,
    *,
    patience: Patience,
    now: datetime,
) -> None:
    """Read a method again from the provider and take its state over: the job `refresh_method`.

    Raises GatewayUnknown. A method that the provider has never heard of stays as it is. Of a debit
    the visit is read again before: a background call notes its mandate there, so that the
    provider can tell later whether it is still active.
    """
    with transaction() as session:
        visit = _visit_of_debit(session, method_ref)
    for _ in range(_TRIES):
        with transaction() as session:
            known = note_method(session, method_ref)
        if known is None or not known.in_use:
            return
        try:
            if visit is not None:
                gateway.get_setup(visit, patience)
            facts = gateway.get_method(method_ref, patience)
        except GatewayRefused:
            return
        try:
            with transaction() as session:
                settle_method(session, method_ref, known, facts, now)
            return
        except MethodMoved:
            continue
    raise GatewayUnknown("the method changes too fast")


def settle_method(
    session: Session,
    method_ref: str,
    known: KnownMethod | None,
    facts: MethodFacts | None,
    now: datetime,
) -> bool:
    """Take over what the provider says of a method; False for one that is not ours.

    `known` was noted before the provider was asked: MethodMoved where it has changed since, so
    that an older answer never replaces a newer one. `facts` None: it can be charged no more.
    """
    if known is None:
        if note_method(session, method_ref) is not None:
            raise MethodMoved(method_ref)
        return False
    account = lock_account(session, known.account_id)
    present = note_method(session, method_ref)
    if present is None or present != known:
        raise MethodMoved(method_ref)
    if not present.in_use:
        return True
    method = session.get_one(PaymentMethod, present.id)
    if facts is None:
        _lose(session, account, method, now)
    else:
        _update(session, account, method, facts, now)
    session.flush()
    return True


def _visit_of_debit(session: Session, method_ref: str) -> str | None:
    return session.scalars(
        select(MethodSetup.gateway_ref)
        .join(PaymentMethod, PaymentMethod.id == MethodSetup.payment_method_id)
        .where(
            PaymentMethod.gateway_ref == method_ref,
            PaymentMethod.kind == MethodKind.SEPA_DEBIT.value,
        )
    ).first()


def _known(method: PaymentMethod) -> KnownMethod:
    return KnownMethod(
        id=method.id,
        account_id=method.account_id,
        in_use=method.removed_at is None,
        facts=MethodFacts(
            ref=method.gateway_ref,
            kind=MethodKind(method.kind),
            brand=method.brand,
            last4=method.last4,
            expires_year=method.expires_year,
            expires_month=method.expires_month,
            funding=method.funding,
            mandate_ref=method.mandate_ref,
        ),
    )


def _update(
    session: Session, account: Account, method: PaymentMethod, facts: MethodFacts, now: datetime
) -> None:
    old, renewed = _told(method), _is_good_for_longer(method, facts)
    method.expires_year, method.expires_month = facts.expires_year, facts.expires_month
    # What the provider leaves out in this answer it has told before.
    method.brand, method.last4 = facts.brand or method.brand, facts.last4 or method.last4
    method.funding = facts.funding or method.funding
    method.mandate_ref = facts.mandate_ref or method.mandate_ref
    new = _told(method)
    changed = {name for name in new if new[name] != old[name]}
    if changed:
        record(
            session,
            "payment_method_updated",
            actor=GATEWAY,
            now=now,
            account_id=account.id,
            subject=method.brand,
            old={name: old[name] for name in old if name in changed},
            new={name: new[name] for name in new if name in changed},
        )
    if renewed and method.is_default:
        session.flush()
        retry_with_method(session, account, method, now, asked=False)  # as a new card would (M5)
        retry_with_new_method(session, account.id, now)


def _is_good_for_longer(method: PaymentMethod, facts: MethodFacts) -> bool:
    if method.expires_year is None or facts.expires_year is None:
        return False
    known = (method.expires_year, method.expires_month or 0)
    return (facts.expires_year, facts.expires_month or 0) > known


def _lose(session: Session, account: Account, method: PaymentMethod, now: datetime) -> None:
    was_default = method.is_default
    retire_method(session, method, now)
    record(
        session,
        "payment_method_lost",
        actor=GATEWAY,
        now=now,
        account_id=account.id,
        subject=method.brand,
        old=shown_of(method),
    )
    if not was_default or account.payment_terms != "automatic":
        return
    admins = session.execute(
        select(Member.id, Person.email, Person.locale)
        .join(Person, Person.id == Member.person_id)
        .where(Member.account_id == account.id, Member.role == "admin", Member.status == "active")
        .order_by(Member.id)
    )
    for member_id, email, locale in admins:
        enqueue_mail(
            session,
            "payment_method_lost",
            recipient=email,
            locale=locale,
            payload={
                "account_name": account.name,
                "kind": method.kind,
                "brand": method.brand,
                "last4": method.last4,
            },
            now=now,
            account_id=account.id,
            dedupe_key=f"payment_method_lost:{method.id}:{member_id}",
        )


def _told(method: PaymentMethod) -> dict[str, object]:
    expires = (
        f"{method.expires_month:02d}/{method.expires_year}"
        if method.expires_month is not None and method.expires_year is not None
        else ""
    )
    return {**shown_of(method), "expires": expires, "mandate_ref": method.mandate_ref}
