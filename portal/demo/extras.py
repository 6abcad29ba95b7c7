"""What else a demo customer did: got quotes, declined one, asked for fewer licences."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.demo.plans import QuotePlan, ReductionPlan
from portal.demo.timeline import Event
from portal.domain.catalogue import Catalogue
from portal.domain.periods import local_date
from portal.domain.quotes import last_valid_day, subject_of_subscription
from portal.domain.seat_removal import plan_seat_removal
from portal.models import (
    Account,
    Price,
    Product,
    Quote,
    QuoteLine,
    QuoteSubject,
    Subscription,
    SubscriptionItem,
)
from portal.queries.holders import count_active_admins, list_subscription_held
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor, record
from portal.services.numbering import take_number
from portal.services.quoting import decline_quote
from portal.services.seat_removal import remove_seats

__all__ = ["ask_reduction", "decline_last_quote", "make_quote"]


def make_quote(
    session: Session, catalogue: Catalogue, account: Account, plan: QuotePlan, staff: Actor
) -> Event:
    """The account executive made a quote for more seats."""

    def make(at: datetime) -> None:
        on = local_date(at, account.time_zone)
        assert staff.person_id is not None
        quote = Quote(
            account_id=account.id,
            number=f"Q-{on.year}-{take_number(session, 'quote', on.year):04d}",
            status="open",
            source="staff",
            currency=account.currency,
            created_at=at,
            created_on=on,
            valid_until=last_valid_day(on, catalogue.policy.quote_validity_days),
            created_by_id=staff.person_id,
            message=plan.message,
        )
        session.add(quote)
        session.flush()
        for position, (product_key, seats) in enumerate(plan.seats, start=1):
            item, price = _plan_item(session, account, product_key)
            session.add(
                QuoteLine(
                    quote_id=quote.id, position=position, kind="seats", item_id=item.id,
                    price_id=price.id, quantity=seats, unit_minor=price.unit_minor,
                    discount_basis_points=plan.discount_basis_points,
                )
            )  # fmt: skip
            session.add(
                QuoteSubject(
                    quote_id=quote.id,
                    subject=subject_of_subscription(item.subscription_id),
                    holds=True,
                )
            )
        record(session, "quote_created", actor=staff, now=at, account_id=account.id,
               subject=quote.number, new={"seats": sum(seats for _, seats in plan.seats)})  # fmt: skip
        session.flush()

    return make


def decline_last_quote(
    session: Session, account: Account, reason: str, customer: Callable[[], Actor]
) -> Event:
    """The customer said no to its open quote."""

    def decline(at: datetime) -> None:
        quote_id = session.scalars(
            select(Quote.id).where(Quote.account_id == account.id, Quote.status == "open")
        ).one()
        decline_quote(session, account.id, quote_id, reason=reason, actor=customer(), now=at)

    return decline


def _plan_item(
    session: Session, account: Account, product_key: str
) -> tuple[SubscriptionItem, Price]:
    row = session.execute(
        select(SubscriptionItem, Price)
        .join(Subscription, Subscription.id == SubscriptionItem.subscription_id)
        .join(Product, Product.id == Subscription.product_id)
        .join(Price, Price.id == SubscriptionItem.price_id)
        .where(
            Subscription.account_id == account.id,
            Product.key == product_key,
            SubscriptionItem.kind == "plan",
        )
    ).one()
    return row[0], row[1]


def ask_reduction(
    session: Session,
    catalogue: Catalogue,
    account: Account,
    plan: ReductionPlan,
    admin: Callable[[], Actor],
) -> Event:
    """An admin asked for fewer seats; they wait for the renewal (S1)."""

    def ask(at: datetime) -> None:
        connection = session.connection()
        state = next(s for s in list_subscription_states(connection, account.id)
                     if s.product_key == plan.product)  # fmt: skip
        item = state.plan_item
        remove = item.quantity - plan.seats
        shown = plan_seat_removal(
            state,
            item.item_id,
            remove,
            held=[one.held for one in list_subscription_held(
                connection, account.id, state.subscription_id)],
            active_admins=count_active_admins(connection, account.id),
            asked_on=local_date(at, account.time_zone),
            notice_days=catalogue.policy.change_notice_days,
        )  # fmt: skip
        remove_seats(
            session, account.id, state.subscription_id, item.item_id, remove, chosen=None,
            shown=shown.key, catalogue=catalogue, actor=admin(), now=at,
        )  # fmt: skip

    return ask
