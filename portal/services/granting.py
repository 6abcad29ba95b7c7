"""Granting what an order bought: its lines, the contact's place, the product's message (Q3, Q5, Q6)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.email_addresses import known_email
from portal.domain.orders import OrderStatus
from portal.domain.periods import local_date
from portal.models import (
    Account,
    Assignment,
    Member,
    Order,
    OrderLine,
    Person,
    SubscriptionItem,
)
from portal.queries.admins import list_admins
from portal.services.audit import SYSTEM, Actor, record
from portal.services.checkout import is_present_admin
from portal.services.entitlements import announce_entitlements
from portal.services.fulfilment import NOT_GRANTED, Fulfilment
from portal.services.invoicing import item_labels
from portal.services.licence_assigning import settle_overhang
from portal.services.outbox import enqueue_mail, open_desk_task

__all__ = ["grant_order"]


def grant_order(
    session: Session, order: Order, account: Account, catalogue: Catalogue, now: datetime
) -> None:
    """Write what the order bought (S1, C1) and tell the product; the account is locked by the caller.

    The order is done where every product acknowledged at once, else paid (being provisioned). One
    of which a line could not be given says so (`failure`), and is done when people have seen to it.
    """
    placer = session.get(Person, order.placed_by_id)
    actor = Actor("person", placer.name, placer.id) if placer else SYSTEM
    today = local_date(now, account.time_zone)
    lines = session.scalars(
        select(OrderLine).where(OrderLine.order_id == order.id).order_by(OrderLine.position)
    ).all()
    granted = Fulfilment(session, order, account, catalogue, actor, now)
    for line in lines:
        granted.grant(line)
    granted.take_unpaid()
    session.flush()
    settle_overhang(session, account.id)  # there may be seats again for whoever had none (S7)
    items = [item for item in granted.items.values() if item.per_seat]
    told = _place_contact(session, order, account, items, actor, now)
    with_seats = [item for item in items if granted.added.get(item.id, 0) > 0]
    if told is not None and with_seats:
        added = sum(granted.added[item.id] for item in with_seats)
        _tell_contact(session, order, account, told, with_seats, added, catalogue, now)
    if any(line.period_ends_on and line.period_ends_on <= today for line in lines):
        # Paid for a period that has ended since: the renewal was invoiced without it.
        open_desk_task(session, "granted_after_renewal", account_id=account.id, now=now,
                       dedupe_key=f"granted_after_renewal:{order.id}",
                       details={"order": order.number})  # fmt: skip
    waiting = announce_entitlements(session, account, granted.subscriptions, catalogue, now)
    order.failure = {"code": NOT_GRANTED, "lines": granted.refused} if granted.refused else None
    is_done = not waiting and not granted.refused
    order.status = OrderStatus.DONE if is_done else OrderStatus.PAID
    order.paid_at = now
    order.provisioned_at = now if is_done else None
    order.version += 1
    session.flush()


def _place_contact(
    session: Session,
    order: Order,
    account: Account,
    items: list[SubscriptionItem],
    actor: Actor,
    now: datetime,
) -> Person | None:
    """The admin contact gets a seat in each product of the order; a new one is created (Q5).

    Returns the contact who is to be told of it; a new one has an invitation instead.
    """
    member, created = _contact_member(session, order, account, actor, now)
    if member is None:
        return None
    session.flush()
    for item in items:
        held = session.scalar(
            select(func.count()).where(
                Assignment.item_id == item.id, Assignment.freed_at.is_(None)
            )
        ) or 0  # fmt: skip
        has_one = session.scalar(
            select(Assignment.id).where(
                Assignment.item_id == item.id,
                Assignment.member_id == member.id,
                Assignment.freed_at.is_(None),
            )
        )
        if has_one is None and held < item.quantity:  # S9, also while an overhang lasts
            session.add(Assignment(item_id=item.id, member_id=member.id, assigned_at=now))
            record(session, "licence_assigned", actor=actor, now=now, account_id=account.id,
                   subject=order.number, new={"member_id": member.id, "item_id": item.id})  # fmt: skip
    session.flush()
    return None if created else session.get_one(Person, member.person_id)


def _contact_member(
    session: Session, order: Order, account: Account, actor: Actor, now: datetime
) -> tuple[Member | None, bool]:
    """The contact's member, and whether it was created now; None for one who may not become one."""
    contact = order.contact
    if contact.get("member_id") is not None:
        member = session.get(Member, contact["member_id"])
        if member is None or member.account_id != account.id:
            return None, False
        return _promoted(session, member, order, account, actor, now), False
    email = known_email(str(contact.get("email") or ""))
    if not email:
        return None, False
    person = session.scalars(select(Person).where(Person.email == email)).one_or_none()
    if person is None:
        person = Person(email=email, name=str(contact["name"]), locale=account.locale,
                        created_at=now)  # fmt: skip
        session.add(person)
        session.flush()
    member = session.scalars(
        select(Member).where(Member.account_id == account.id, Member.person_id == person.id)
    ).one_or_none()
    if member is not None:
        return _promoted(session, member, order, account, actor, now), False
    member = Member(account_id=account.id, person_id=person.id, role="admin", status="invited",
                    added_at=now, invited_by_id=order.placed_by_id)  # fmt: skip
    session.add(member)
    session.flush()
    record(session, "admin_added", actor=actor, now=now, account_id=account.id,
           subject=order.number, new={"name": person.name, "email": email})  # fmt: skip
    enqueue_mail(session, "invitation", recipient=email, locale=person.locale, now=now,
                 account_id=account.id, dedupe_key=f"invitation:{member.id}:1",
                 payload={"account_name": account.name, "invited_by": actor.name})  # fmt: skip
    _tell_admins(session, order, account, person, actor, now)
    return member, True


def _promoted(
    session: Session, member: Member, order: Order, account: Account, actor: Actor, now: datetime
) -> Member | None:
    """A member that was named admin contact becomes an admin, and active again if need be.

    Only where the order was placed for that: one who was an admin then and is none any more stays
    so, and a deactivated one gets nothing.
    """
    if is_present_admin(member):
        return member
    if not order.contact.get("becomes_admin"):
        return None if member.status == "deactivated" else member
    old = {"role": member.role, "status": member.status}
    member.role = "admin"
    if member.status == "deactivated":
        member.status, member.deactivated_at = "active", None
    record(session, "member_changed", actor=actor, now=now, account_id=member.account_id,
           subject=order.number, old={"member_id": member.id, **old},
           new={"member_id": member.id, "role": member.role, "status": member.status})  # fmt: skip
    person = session.get_one(Person, member.person_id)
    _tell_admins(session, order, account, person, actor, now)
    return member


def _tell_admins(
    session: Session, order: Order, account: Account, person: Person, actor: Actor, now: datetime
) -> None:
    """All other admins are told of a new one (Q5), each in the own language."""
    session.flush()
    for admin in list_admins(session.connection(), account.id):
        if admin.person_id == person.id:
            continue
        enqueue_mail(session, "new_admin_contact", recipient=admin.email, locale=admin.locale,
                     now=now, account_id=account.id,
                     dedupe_key=f"new_admin:{order.id}:{admin.email}",
                     payload={"account_name": account.name, "name": person.name,
                              "email": person.email, "added_by": actor.name})  # fmt: skip


def _tell_contact(
    session: Session,
    order: Order,
    account: Account,
    person: Person,
    items: list[SubscriptionItem],
    added: int,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    """The contact hears once of the order's licences, in the own language."""
    labels = item_labels(session, [item.id for item in items], catalogue, person.locale)
    enqueue_mail(session, "licences_granted", recipient=person.email, locale=person.locale,
                 now=now, account_id=account.id, dedupe_key=f"contact_told:{order.id}",
                 payload={"account_name": account.name,
                          "product": ", ".join(labels[item.id] for item in items),
                          "added": added,
                          "total": sum(item.quantity for item in items)})  # fmt: skip
