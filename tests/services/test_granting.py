"""Granting what was paid: seats, the admin contact's place, the product's word (S1, S9, Q5, Q6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.money import Money
from portal.mail.messages import read_message
from portal.models import (
    Assignment,
    AuditEvent,
    DeskTask,
    Entitlement,
    Member,
    Order,
    OutboxMessage,
    Person,
    SeatEntry,
    Subscription,
    SubscriptionItem,
)
from portal.parts import Parts
from portal.payments.gateway import ChargeOutcome, ChargeStatus
from portal.services.checkout import Contact
from portal.services.entitlements import acknowledge_entitlement
from portal.services.payment_settlement import settle_charge
from portal.services.provisioning import report_overdue_orders
from tests.conftest import NOW
from tests.support.buying import (
    AN,
    ATELIER,
    GIULIA,
    JONAS,
    KAREL,
    LOTTE,
    OFFICINE,
    PIETER,
    charges,
    collected,
    held_by,
    member_of,
    order_ready_to_pay,
    outcome_of,
    placed,
    plan_item,
    quoted,
    ready,
)

pytestmark = pytest.mark.usefixtures("app_context")


def bought(parts: Parts, contact: Contact | None = None, added: int = 3) -> int:
    """An order that was placed and paid; its id."""
    quote_id = quoted(parts, added=added)
    ready(parts, quote_id, contact)
    order = placed(parts, quote_id)
    collected(parts, order.attempt_id)
    return order.order_id


def mails(books: Session, topic: str) -> list[str]:
    query = select(OutboxMessage.recipient).where(
        OutboxMessage.topic == topic, OutboxMessage.created_at == NOW
    )
    return sorted(books.scalars(query))


# --- seats -------------------------------------------------------------------------------------


def test_S1_seats_are_added_at_once_with_one_entry_in_the_ledger(
    books: Session, parts: Parts
) -> None:
    order_id = bought(parts)
    item = plan_item(books, ATELIER)
    entry = books.scalars(
        select(SeatEntry).where(SeatEntry.item_id == item.id).order_by(SeatEntry.id.desc())
    ).first()
    assert entry is not None
    assert (entry.change, entry.quantity_after, entry.reason) == (3, 15, "order")
    assert (entry.at, entry.effective_on) == (NOW, books.get_one(Order, order_id).placed_on)
    assert entry.actor_id == member_of(books, ATELIER, LOTTE).person_id


def test_S1_the_ledger_sums_to_the_seats_of_every_item(books: Session, parts: Parts) -> None:
    bought(parts)
    sums = books.execute(
        select(
            SubscriptionItem.id,
            SubscriptionItem.quantity,
            select(func.coalesce(func.sum(SeatEntry.change), 0))
            .where(SeatEntry.item_id == SubscriptionItem.id)
            .scalar_subquery(),
        ).where(SubscriptionItem.per_seat)
    ).all()
    assert sums
    assert [row for row in sums if row[1] != row[2]] == []


def test_an_order_of_several_products_is_granted_whole(books: Session, parts: Parts) -> None:
    desk, sign = (plan_item(books, OFFICINE, key) for key in ("desk", "sign"))
    totals = {desk.id: desk.quantity + 2, sign.id: sign.quantity + 1}
    offer = books.scalars(select(Subscription.id)).first()
    assert offer is not None
    order = order_ready_to_pay(
        parts, account=OFFICINE, email=GIULIA, totals=totals, replaces=range(1, 20)
    )
    collected(parts, order.attempt_id)
    assert plan_item(books, OFFICINE, "desk").quantity == 20
    assert plan_item(books, OFFICINE, "sign").quantity == 13
    assert books.get_one(Order, order.order_id).status == "done"


# --- the admin contact (Q5) --------------------------------------------------------------------


def test_Q5_a_new_contact_is_created_invited_seated_and_all_admins_are_told(
    books: Session, parts: Parts
) -> None:
    bought(parts, Contact(None, "Eva Claes", "Eva.Claes@Atelier-Noordzee.example"))
    eva = member_of(books, ATELIER, "eva.claes@atelier-noordzee.example")
    assert (eva.role, eva.status, eva.added_at) == ("admin", "invited", NOW)
    assert books.get_one(Person, eva.person_id).locale == "nl"  # the account's language
    assert eva.id in held_by(books, plan_item(books, ATELIER).id)
    assert mails(books, "invitation") == ["eva.claes@atelier-noordzee.example"]
    assert mails(books, "new_admin_contact") == [LOTTE, PIETER]
    assert mails(books, "licences_granted") == []  # the invitation says it


def test_Q5_nothing_is_created_before_the_order_is_paid(books: Session, parts: Parts) -> None:
    before = books.scalar(select(func.count(Member.id)))
    quote_id = quoted(parts)
    ready(parts, quote_id, Contact(None, "Eva Claes", "eva.claes@atelier-noordzee.example"))
    placed(parts, quote_id)
    assert books.scalar(select(func.count(Member.id))) == before


def test_Q5_a_person_known_from_another_company_becomes_an_admin_here(
    books: Session, parts: Parts
) -> None:
    bought(parts, Contact(None, "Another spelling", GIULIA))
    giulia = member_of(books, ATELIER, GIULIA)
    assert (giulia.role, giulia.status) == ("admin", "invited")
    person = books.get_one(Person, giulia.person_id)
    assert (person.name, person.locale) == ("Giulia Ferrante", "it")
    assert books.scalar(select(func.count()).where(Person.email == GIULIA)) == 1


def test_Q5_an_admin_who_has_a_seat_takes_no_second_one(books: Session, parts: Parts) -> None:
    item = plan_item(books, ATELIER)
    before = held_by(books, item.id)
    bought(parts, Contact(member_of(books, ATELIER, LOTTE).id))
    assert held_by(books, item.id) == before
    assert mails(books, "new_admin_contact") == []


def test_Q5_an_existing_contact_is_told_once_of_the_licences_in_the_own_language(
    books: Session, parts: Parts
) -> None:
    order_id = bought(parts, Contact(member_of(books, ATELIER, PIETER).id))
    mail = books.scalars(
        select(OutboxMessage).where(OutboxMessage.dedupe_key == f"contact_told:{order_id}")
    ).one()
    assert (mail.topic, mail.recipient, mail.locale) == ("licences_granted", PIETER, "nl")
    assert mail.payload == {
        "account_name": ATELIER, "product": "Kanto CRM Pro", "added": 3, "total": 15,
    }  # fmt: skip
    read_message(mail.topic, mail.payload, "https://portal.example")
    assert mails(books, "licences_granted") == [PIETER]


@pytest.mark.parametrize(
    ("role", "status", "seated"), [("member", "active", True), ("admin", "deactivated", False)]
)
def test_DESIGN1_a_contact_who_lost_the_admins_role_before_the_payment_stays_without_it(
    books: Session, parts: Parts, role: str, status: str, seated: bool
) -> None:
    quote_id = quoted(parts)
    pieter = member_of(books, ATELIER, PIETER).id
    ready(parts, quote_id, Contact(pieter))
    order = placed(parts, quote_id, email=AN)
    with transaction() as own:
        member = own.get_one(Member, pieter)
        member.role, member.status = role, status
        own.execute(delete(Assignment).where(Assignment.member_id == pieter))
    collected(parts, order.attempt_id)
    books.expire_all()
    member = books.get_one(Member, pieter)
    assert (member.role, member.status) == (role, status)
    assert (pieter in held_by(books, plan_item(books, ATELIER).id)) is seated
    assert mails(books, "licences_granted") == ([PIETER] if seated else [])
    assert outcome_of(books, order.order_id).order == "done"


def test_Q5_an_admin_without_a_seat_gets_one(books: Session, parts: Parts) -> None:
    item, pieter = plan_item(books, ATELIER), member_of(books, ATELIER, PIETER)
    with transaction() as own:
        own.scalars(
            select(Assignment).where(
                Assignment.item_id == item.id, Assignment.member_id == pieter.id
            )
        ).one().freed_at = NOW
    bought(parts, Contact(pieter.id))
    assert held_by(books, item.id).count(pieter.id) == 1


@pytest.mark.parametrize("email", [AN, JONAS, KAREL])
def test_Q5_a_member_named_as_contact_by_address_becomes_an_active_admin(
    books: Session, parts: Parts, email: str
) -> None:
    order_id = bought(parts, Contact(None, "Somebody", email.upper()))
    member = member_of(books, ATELIER, email)
    assert (member.role, member.status, member.deactivated_at) == ("admin", "active", None)
    assert held_by(books, plan_item(books, ATELIER).id).count(member.id) == 1
    event = books.scalars(select(AuditEvent).where(AuditEvent.action == "member_changed")).one()
    assert event.subject == books.get_one(Order, order_id).number
    assert event.new is not None
    assert event.new["role"] == "admin"
    assert mails(books, "new_admin_contact") == [LOTTE, PIETER]
    assert mails(books, "licences_granted") == [email]


def test_Q5_somebody_who_became_a_member_between_the_order_and_the_payment(
    books: Session, parts: Parts
) -> None:
    quote_id = quoted(parts)
    ready(parts, quote_id, Contact(None, "Giulia", GIULIA))
    order = placed(parts, quote_id)
    with transaction() as own:
        person = own.scalars(select(Person).where(Person.email == GIULIA)).one()
        account = own.get_one(Order, order.order_id).account_id
        own.add(Member(account_id=account, person_id=person.id, role="member", status="active",
                       added_at=NOW))  # fmt: skip
    collected(parts, order.attempt_id)
    assert member_of(books, ATELIER, GIULIA).role == "admin"
    assert outcome_of(books, order.order_id).order == "done"


def test_Q5_an_order_without_a_contact_is_granted_all_the_same(
    books: Session, parts: Parts
) -> None:
    order = order_ready_to_pay(parts)
    with transaction() as own:
        own.get_one(Order, order.order_id).contact = {"member_id": None, "name": "", "email": ""}
    before = held_by(books, plan_item(books, ATELIER).id)
    collected(parts, order.attempt_id)
    assert held_by(books, plan_item(books, ATELIER).id) == before
    assert outcome_of(books, order.order_id).seats == 15


def test_S9_the_contact_gets_no_seat_that_is_not_there(books: Session, parts: Parts) -> None:
    item = plan_item(books, ATELIER)
    quote_id = quoted(parts, added=1)
    ready(parts, quote_id, Contact(None, "Eva Claes", "eva.claes@atelier-noordzee.example"))
    order = placed(parts, quote_id)
    with transaction() as own:  # meanwhile others took every seat, and a recorded overhang stands
        members = own.scalars(select(Member.id).where(Member.account_id == 4).limit(40)).all()
        own.add_all(
            Assignment(item_id=item.id, member_id=member, assigned_at=NOW) for member in members
        )
    collected(parts, order.attempt_id)
    eva = member_of(books, ATELIER, "eva.claes@atelier-noordzee.example")
    assert eva.id not in held_by(books, item.id)
    assert outcome_of(books, order.order_id).order == "done"


# --- entitlements (Q6) -------------------------------------------------------------------------


@pytest.fixture
def with_endpoint(parts: Parts) -> Parts:
    """The CRM has an address that is told what to grant."""
    catalogue = parts.catalogue
    products = tuple(
        replace(p, entitlement_url="https://crm.kanto.example/grants") if p.key == "crm" else p
        for p in catalogue.products
    )
    return replace(parts, catalogue=replace(catalogue, products=products))


def test_Q6_without_an_endpoint_the_grants_hold_at_once(books: Session, parts: Parts) -> None:
    order = books.get_one(Order, bought(parts))
    row = books.scalars(
        select(Entitlement).where(
            Entitlement.subscription_id == plan_item(books, ATELIER).subscription_id
        )
    ).one()
    assert (order.status, order.provisioned_at) == ("done", NOW)
    assert row.acknowledged_version == row.version
    assert [x["seats"] for x in row.grants["items"] if x["plan"]] == [15]


def test_Q6_with_an_endpoint_the_order_is_done_when_the_product_said_so(
    books: Session, with_endpoint: Parts
) -> None:
    order_id = bought(with_endpoint)
    subscription_id = plan_item(books, ATELIER).subscription_id
    assert books.get_one(Order, order_id).status == "paid"
    row = books.scalars(
        select(Entitlement).where(Entitlement.subscription_id == subscription_id)
    ).one()
    message = books.scalars(
        select(OutboxMessage).where(OutboxMessage.kind == "entitlement",
                                    OutboxMessage.created_at == NOW)
    ).one()  # fmt: skip
    assert message.payload["version"] == row.version
    assert message.payload["account"] == "atelier-noordzee"

    later = NOW + timedelta(minutes=5)
    for version in (row.version - 1, row.version + 7):  # late, and from the future
        with transaction() as own:
            acknowledge_entitlement(own, subscription_id, version, later)
        books.expire_all()
        assert books.get_one(Order, order_id).status == "paid"
    for _ in range(2):
        with transaction() as own:
            acknowledge_entitlement(own, subscription_id, row.version, later)
    books.expire_all()
    done = books.get_one(Order, order_id)
    assert (done.status, done.provisioned_at) == ("done", later)
    assert books.scalar(select(func.count()).where(AuditEvent.action == "order_done")) == 1


def test_Q6_an_order_that_takes_too_long_is_put_before_the_desk_once(
    books: Session, with_endpoint: Parts
) -> None:
    order_id = bought(with_endpoint)

    def report(after: timedelta) -> list[str]:
        with transaction() as own:
            report_overdue_orders(own, processing_hours=24, now=NOW + after)
        query = select(DeskTask.dedupe_key).where(DeskTask.kind == "order_overdue")
        return list(books.scalars(query))

    assert report(timedelta(hours=24)) == []
    assert report(timedelta(hours=24, seconds=1)) == [f"order_overdue:{order_id}"]
    assert report(timedelta(days=3)) == [f"order_overdue:{order_id}"]


def test_Q3_nothing_is_granted_by_a_call_that_was_declined(books: Session, parts: Parts) -> None:
    order = order_ready_to_pay(parts)
    versions = select(func.coalesce(func.sum(Entitlement.version), 0))
    before = (held_by(books, plan_item(books, ATELIER).id), books.scalar(versions))
    with transaction() as own:
        settle_charge(
            own, order.attempt_id or 0,
            ChargeOutcome("pi", ChargeStatus.DECLINED, Money(9574, "EUR")),
            catalogue=parts.catalogue, now=NOW,
        )  # fmt: skip
    assert (held_by(books, plan_item(books, ATELIER).id), books.scalar(versions)) == before
    assert charges(books) == []
