"""What a demo customer did with credits: bought packs, used them week by week, had them topped up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.demo.plans import AutoTopUpPlan, TopUpPlan, UsagePlan
from portal.demo.rows import book_charge
from portal.demo.timeline import Event
from portal.domain.catalogue import Catalogue
from portal.domain.money import Money
from portal.domain.periods import local_date
from portal.domain.purchases import plan_purchase
from portal.domain.quotes import subject_of_wallet, terms_key
from portal.domain.wallet import TopUpDecision, TopUpSettings
from portal.domain.wishes import Credits
from portal.models import Account, Member, Payment, PaymentAttempt, PaymentMethod, Person, TopUp
from portal.payments.gateway import ChargeOutcome, ChargeStatus
from portal.queries.one_page import get_last_order
from portal.queries.prices import get_price_book
from portal.queries.quotes import get_account_buying
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor
from portal.services.auto_top_up import set_auto_top_up, start_top_up
from portal.services.one_page_checkout import AtOnce, order_at_once
from portal.services.payment_settlement import settle_charge
from portal.services.quoting import preview_quote
from portal.services.wallet_debits import debit_wallet
from portal.services.wallet_entries import wallet_of

__all__ = ["WalletHistory", "weekly_use"]

_WEEKS = 52
_SEASONS = (9, 10, 12, 11, 10, 8, 5, 7, 10, 12, 13, 9)
"""Tenths of the usual, for each twelfth of the year that ends today: quiet in the middle."""


def weekly_use(kind: str, usual: int) -> tuple[UsagePlan, ...]:
    """A year in which `kind` was used about so often a week, the same in every demo."""
    return tuple(_weeks(kind, usual))


def _weeks(kind: str, usual: int) -> Iterator[UsagePlan]:
    for week in range(_WEEKS, 0, -1):
        season = _SEASONS[(_WEEKS - week) * len(_SEASONS) // _WEEKS]
        uneven = (week * 7 + len(kind) * 3) % 5 - 2
        count = (usual * (season + uneven) + 5) // 10
        if count > 0:
            yield UsagePlan(week * 7 - len(kind) % 5, kind, count)


class WalletHistory:
    """One customer's credits; everything is done by the services that do it on any day."""

    def __init__(self, session: Session, catalogue: Catalogue, account: Account) -> None:
        self.session, self.catalogue, self.account = session, catalogue, account

    def bought(self, plan: TopUpPlan) -> Event:
        """A pack was bought in one step, and paid."""

        def buy(at: datetime) -> None:
            actor = self._admin()
            session, account = self.session, self.account
            subject = subject_of_wallet(account.id)
            wishes = [Credits(plan.pack)]
            method = self._method()
            contact = session.scalars(
                select(Member.id).where(
                    Member.account_id == account.id, Member.person_id == actor.person_id
                )
            ).one()
            wanted = AtOnce(
                wishes=wishes, subject=subject, shown=self._shown(wishes, at),
                last_order_id=get_last_order(session.connection(), account.id, subject),
                method_id=method.id, contact_member_id=contact, replaces=(),
            )  # fmt: skip
            placed = order_at_once(
                session, account.id, wanted, catalogue=self.catalogue, actor=actor, now=at
            )
            assert placed.attempt_id is not None
            self._pay(session.get_one(PaymentAttempt, placed.attempt_id), at)

        return buy

    def used(self, plan: UsagePlan) -> Event:
        """The vendor's product used credits; where few are left, a pack is bought automatically."""

        def use(at: datetime) -> None:
            debit = debit_wallet(
                self.session, self.account.id, plan.kind, quantity=plan.count,
                key=f"demo:{self.account.id}:{plan.days_ago}:{plan.kind}",
                catalogue=self.catalogue, now=at,
            )  # fmt: skip
            assert debit.is_accepted, f"the demo's {self.account.name} runs out of credits"
            wallet = wallet_of(self.session, self.account.id)
            if wallet.auto_top_up and wallet.balance < (wallet.threshold or 0):
                self._top_up(at + timedelta(minutes=1))

        return use

    def switched_on(self, plan: AutoTopUpPlan) -> Event:
        """Automatic top-up was chosen."""

        def switch(at: datetime) -> None:
            cap = Money(plan.cap_minor, self.account.currency)
            set_auto_top_up(
                self.session, self.account.id, TopUpSettings(plan.threshold, plan.pack, cap),
                catalogue=self.catalogue, actor=self._admin(), now=at,
            )  # fmt: skip

        return switch

    def _top_up(self, at: datetime) -> None:
        decision = start_top_up(self.session, self.account.id, catalogue=self.catalogue, now=at)
        if decision is not TopUpDecision.CHARGE:
            return
        attempt = self.session.scalars(
            select(PaymentAttempt)
            .join(Payment, Payment.id == PaymentAttempt.payment_id)
            .join(TopUp, TopUp.id == Payment.top_up_id)
            .where(TopUp.status == "open", Payment.account_id == self.account.id)
        ).one()
        self._pay(attempt, at)

    def _pay(self, attempt: PaymentAttempt, at: datetime) -> None:
        payment = self.session.get_one(Payment, attempt.payment_id)
        ref = book_charge(
            self.session, self.account, self._method(), payment, str(attempt.id), "credits"
        )
        amount = Money(payment.amount_minor, payment.currency)
        settle_charge(
            self.session, attempt.id, ChargeOutcome(ref, ChargeStatus.SUCCEEDED, amount),
            catalogue=self.catalogue, now=at + timedelta(seconds=3),
        )  # fmt: skip

    def _shown(self, wishes: list[Credits], at: datetime) -> str:
        connection, account = self.session.connection(), self.account
        today = local_date(at, account.time_zone)
        states = list_subscription_states(connection, account.id)
        buyer = get_account_buying(connection, account.id)
        lines = plan_purchase(
            wishes, states, get_price_book(connection, account.currency), self.catalogue,
            account.payment_terms, today,
        ).lines  # fmt: skip
        return terms_key(preview_quote(lines, states, buyer, self.catalogue, today))

    def _method(self) -> PaymentMethod:
        return self.session.scalars(
            select(PaymentMethod).where(PaymentMethod.account_id == self.account.id)
        ).one()

    def _admin(self) -> Actor:
        person = self.session.scalars(
            select(Person)
            .join(Member, Member.person_id == Person.id)
            .where(Member.account_id == self.account.id, Member.role == "admin")
            .order_by(Member.id)
            .limit(1)
        ).one()
        return Actor("person", person.name, person.id)
