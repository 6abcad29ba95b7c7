"""The lines that wishes cost: seats, a switch, an add-on, a start, credits, help (C1, C4, C5, S2).

Nothing is priced here: a quote prices the lines on the day (see portal.domain.quotes).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from portal.domain.catalogue import Catalogue, Charge, Package, Plan, Product, TrialPaidStart
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.order_lines import (
    PinnedLine,
    Sold,
    SoldOnce,
    require_fit,
    state_of,
    with_lines,
)
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook, PriceOf
from portal.domain.proration import prorate_switch
from portal.domain.seats import MAXIMUM_SEATS, SeatIncrease, may_change_seats, plan_seat_increase
from portal.domain.subscriptions import ChangeKind, ItemState, SubscriptionState, WaitingChange
from portal.domain.trials import is_unpaid_trial
from portal.domain.wishes import (
    AddOnChoice,
    Credits,
    Free,
    NewAddOn,
    Seats,
    Service,
    Start,
    Switch,
    Wish,
)

__all__ = ["Purchase", "is_upgrade", "plan_purchase", "replaced_by_switch", "why_not_alone"]


@dataclass(frozen=True, slots=True)
class Purchase:
    """What the wishes cost, line by line, and what they touch (Q1).

    `subscriptions` are changed, `products` are begun, the wallet gets credits where `wallet`, and
    `services` are ordered.
    """

    lines: tuple[PinnedLine, ...]
    subscriptions: tuple[int, ...]
    products: tuple[str, ...]
    wallet: bool = False
    services: tuple[str, ...] = ()

    @property
    def seats(self) -> int:
        """Seats that are added, in all lines."""
        return sum(
            line.quantity
            for line in self.lines
            if line.kind not in ("plan_credit", "plan_charge") and line.per_seat
        )


def why_not_alone(
    state: SubscriptionState | None,
    product_key: str,
    catalogue: Catalogue,
    payment_terms: str,
    *,
    plan: str | None = None,
    add_on: str | None = None,
) -> str | None:
    """None where the customer may change this alone, else the code of the reason.

    As `may_change_seats` tells them: bank_transfer, trial, suspended, product_support, plan_support,
    add_on_support. `plan` and `add_on` are what it is changed to, or what is changed.
    """
    if payment_terms == "bank_transfer":
        return "bank_transfer"
    if state is not None and not state.is_running:
        return state.status
    product = catalogue.product(product_key)
    if not product.self_service:
        return "product_support"
    plans = {plan, state.plan_item.plan_key if state is not None and add_on is None else None}
    if any(key is not None and not product.plan(key).self_service for key in plans):
        return "plan_support"
    if add_on is not None and not product.add_on(add_on).self_service:
        return "add_on_support"
    return None


def is_upgrade(
    state: SubscriptionState,
    item: ItemState,
    key: str,
    book: PriceBook,
    catalogue: Catalogue,
    on: date,
) -> bool:
    """Whether a switch to plan or package `key` applies at once, as it gives and costs more (C1).

    One whose net for the days left is zero or negative waits for the renewal, like a downgrade.
    """
    price = _switch_price(state, item, key, book)
    if price is None or item.unit_price is None or state.period is None or item.quantity == 0:
        return False
    product = catalogue.product(state.product_key)
    if item.plan_key is not None:
        higher = product.plan(key).rank > product.plan(item.plan_key).rank
    else:
        add_on = product.add_on(item.add_on_key or "")
        higher = add_on.package(key).tier > add_on.package(item.package_key or "").tier
    credit, charge = prorate_switch(
        item.unit_price, price.unit, item.quantity, state.period, state.paid_from(on)
    )
    return higher and (credit.net + charge.net).minor > 0


def replaced_by_switch(state: SubscriptionState, item: ItemState) -> list[WaitingChange]:
    """The waiting changes whose place a switch of `item` takes; the screen names them (C1)."""
    kind = ChangeKind.PLAN if item.plan_key is not None else ChangeKind.ADD_ON
    return state.changes_of(kind, item.item_id)


def plan_purchase(
    wishes: Collection[Wish],
    states: Iterable[SubscriptionState],
    book: PriceBook,
    catalogue: Catalogue,
    payment_terms: str,
    on: date,
    *,
    by_staff: bool = False,
) -> Purchase:
    """The lines that fulfil the wishes, one after the other, at the prices C4 says.

    `by_staff` are those of an account executive, who helps with what a customer cannot do alone.
    Rejected as `plan_seat_increase`. DomainError: `not_self_service` (`reason`), `item_unknown`,
    `not_offered`, `price_missing`, `not_an_upgrade` (it waits for the renewal), `add_on_present`,
    `already_subscribed`, `not_sold_in_coming_period`, `quantity_too_small`, `quantity_too_large`,
    `licences_in_use` (`minimum`; more people work with the trial).
    """
    present = tuple(states)
    planner = _Planner(present, book, catalogue, None if by_staff else payment_terms, on)
    totals = {wish.item_id: wish.total for wish in wishes if isinstance(wish, Seats)}
    others = [wish for wish in wishes if not isinstance(wish, Seats)]
    if totals or not others:
        planner.seats(plan_seat_increase(present, totals, on))
    for wish in others:
        match wish:
            case Switch():
                planner.switch(wish)
            case NewAddOn():
                planner.add_on(wish)
            case Start():
                planner.start(wish)
            case Credits():
                planner.credits(wish)
            case Service():
                planner.service(wish)
            case Free():
                planner.free(wish)
    return Purchase(
        tuple(planner.lines),
        tuple(dict.fromkeys(planner.subscriptions)),
        tuple(planner.products),
        planner.wallet,
        tuple(dict.fromkeys(planner.services)),
    )


_NEEDS_HELP = ("product_support", "plan_support", "add_on_support")


class _Planner:
    """Collects lines; each is planned on what the lines before it leave.

    Without `payment_terms` it plans for an account executive.
    """

    def __init__(
        self,
        states: Sequence[SubscriptionState],
        book: PriceBook,
        catalogue: Catalogue,
        payment_terms: str | None,
        on: date,
    ) -> None:
        self.states = tuple(states)
        self.book, self.catalogue = book, catalogue
        self.payment_terms, self.on = payment_terms, on
        self.lines: list[PinnedLine] = []
        self.subscriptions: list[int] = []
        self.products: list[str] = []
        self.wallet = False
        self.services: list[str] = []

    def seats(self, increases: Iterable[SeatIncrease]) -> None:
        for increase in increases:
            state = self._state(increase.subscription_id)
            item = increase.item
            self._allow(
                may_change_seats(state, item, self.catalogue, self.payment_terms or "automatic")
            )
            assert item.unit_price is not None and item.price_id is not None
            sold = _sold_as_present(state, item)
            self._pin("seats", item.item_id, PriceOf(item.price_id, item.unit_price),
                      increase.added, sold)  # fmt: skip
            self.subscriptions.append(state.subscription_id)

    def switch(self, wish: Switch) -> None:
        state = next((s for s in self.states if s.item(wish.item_id) is not None), None)
        item = state.item(wish.item_id) if state is not None else None
        if state is None or item is None:
            raise DomainError("item_unknown")
        product = self.catalogue.product(state.product_key)
        of_plan = item.plan_key is not None
        offered: Sequence[Plan | Package] = (
            product.offered_plans if of_plan else _packages(product, item.add_on_key or "")
        )
        self._alone(state, state.product_key, plan=wish.key if of_plan else None,
                    add_on=item.add_on_key)  # fmt: skip
        if wish.key not in {each.key for each in offered}:
            raise DomainError("not_offered")
        price = _switch_price(state, item, wish.key, self.book)
        if price is None:
            raise DomainError("price_missing", item_id=item.item_id, interval=state.interval)
        if not is_upgrade(state, item, wish.key, self.book, self.catalogue, self.on):
            raise DomainError("not_an_upgrade")
        assert item.unit_price is not None and item.price_id is not None
        old = _sold_as_present(state, item)
        self._pin("plan_credit", item.item_id, PriceOf(item.price_id, -item.unit_price),
                  item.quantity, old)  # fmt: skip
        sold = Sold(
            product=old.product, interval=old.interval, per_seat=old.per_seat,
            plan=wish.key if of_plan else None, add_on=item.add_on_key,
            package=None if of_plan else wish.key,
            prices=self.book.plan_intervals(old.product, wish.key) if of_plan
            else self.book.add_on_intervals(old.product, item.add_on_key or "", wish.key),
        )  # fmt: skip
        self._pin("plan_charge", item.item_id, price, item.quantity, sold)
        self.subscriptions.append(state.subscription_id)

    def add_on(self, wish: NewAddOn) -> None:
        state = self._state(wish.subscription_id)
        self._alone(state, state.product_key, add_on=wish.choice.add_on)
        if any(item.add_on_key == wish.choice.add_on for item in state.items):
            raise DomainError("add_on_present")
        assert state.interval is not None
        price, sold = self._chosen(state.product_key, wish.choice, state.interval,
                                   state.subscription_id)  # fmt: skip
        self._pin("add_on", None, price, wish.choice.quantity if sold.per_seat else 1, sold)
        self.subscriptions.append(state.subscription_id)

    def start(self, wish: Start) -> None:
        product = next((p for p in self.catalogue.products if p.key == wish.product), None)
        if product is None or wish.plan not in {plan.key for plan in product.offered_plans}:
            raise DomainError("not_offered")
        tried = next((s for s in self.states if s.product_key == wish.product), None)
        if tried is not None and not is_unpaid_trial(tried):
            raise DomainError("already_subscribed", product=wish.product)
        self._alone(None, wish.product, plan=wish.plan)
        price = self.book.plan(wish.product, wish.plan, wish.interval)
        if price is None:
            raise DomainError("price_missing", item_id=None, interval=wish.interval)
        prices = self.book.plan_intervals(wish.product, wish.plan)
        waits = self.catalogue.policy.trial_paid_start is TrialPaidStart.TRIAL_END
        sold = Sold(wish.product, wish.interval.value, True, plan=wish.plan, prices=prices,
                    after_trial=tried is not None and waits)  # fmt: skip
        self._pin("start", None, price, _bounded(wish.quantity), sold)
        for choice in wish.add_ons:
            self._alone(None, wish.product, add_on=choice.add_on)
            price, sold = self._chosen(wish.product, choice, wish.interval, None)
            self._pin("start", None, price, choice.quantity if sold.per_seat else 1, sold)
        self.products.append(wish.product)
        if tried is not None:
            self.subscriptions.append(tried.subscription_id)

    def credits(self, wish: Credits) -> None:
        pack = next((p for p in self.catalogue.offered_credit_packs if p.key == wish.pack), None)
        once = SoldOnce(pack=wish.pack, credits=pack.credits if pack is not None else 0)
        self._pin_once("credits", self.book.packs.get(wish.pack), once, offered=pack is not None)
        self.wallet = True

    def service(self, wish: Service) -> None:
        sold = {p.key for p in self.catalogue.offered_service_packages if not p.included}
        self._pin_once("service", self.book.services.get(wish.package),
                       SoldOnce(service=wish.package), offered=wish.package in sold)  # fmt: skip
        self.services.append(wish.package)

    def free(self, wish: Free) -> None:
        if self.payment_terms is not None:
            raise DomainError("not_offered")
        place, unit = len(self.lines) + 1, Money(wish.unit_minor, self.book.currency)
        once, quantity = SoldOnce(text=wish.text), _bounded(wish.quantity)
        self.lines.append(PinnedLine(place, "free", None, None, quantity, unit, once=once))

    def _pin_once(self, kind: str, price: PriceOf | None, once: SoldOnce, *, offered: bool) -> None:
        if self.payment_terms == "bank_transfer":
            raise DomainError("not_self_service", reason="bank_transfer")
        if not offered:
            raise DomainError("not_offered")
        if price is None:
            raise DomainError("price_missing", item_id=None, interval=None)
        place = len(self.lines) + 1
        self.lines.append(PinnedLine(place, kind, None, price.price_id, 1, price.unit, once=once))

    def _chosen(
        self, product_key: str, choice: AddOnChoice, interval: Interval, subscription_id: int | None
    ) -> tuple[PriceOf, Sold]:
        product = self.catalogue.product(product_key)
        if choice.package not in {each.key for each in _packages(product, choice.add_on)}:
            raise DomainError("not_offered")
        price = self.book.add_on(product_key, choice.add_on, choice.package, interval)
        if price is None:
            raise DomainError("price_missing", item_id=None, interval=interval)
        _bounded(choice.quantity)
        return price, Sold(
            product=product_key, interval=interval.value,
            per_seat=product.add_on(choice.add_on).charge is Charge.PER_SEAT,
            add_on=choice.add_on, package=choice.package, subscription_id=subscription_id,
            prices=self.book.add_on_intervals(product_key, choice.add_on, choice.package),
        )  # fmt: skip

    def _alone(
        self,
        state: SubscriptionState | None,
        product_key: str,
        plan: str | None = None,
        add_on: str | None = None,
    ) -> None:
        known = {a.key for a in self.catalogue.product(product_key).add_ons}
        if add_on is not None and add_on not in known:
            raise DomainError("not_offered")
        if plan is not None and plan not in {
            p.key for p in self.catalogue.product(product_key).plans
        }:
            raise DomainError("not_offered")
        terms = self.payment_terms or "automatic"
        self._allow(
            why_not_alone(state, product_key, self.catalogue, terms, plan=plan, add_on=add_on)
        )

    def _allow(self, reason: str | None) -> None:
        if reason is not None and not (self.payment_terms is None and reason in _NEEDS_HELP):
            raise DomainError("not_self_service", reason=reason)

    def _state(self, subscription_id: int) -> SubscriptionState:
        for state in self.states:
            if state.subscription_id == subscription_id:
                return state
        raise DomainError("item_unknown")

    def _pin(
        self, kind: str, item_id: int | None, price: PriceOf, quantity: int, sold: Sold
    ) -> None:
        line = PinnedLine(
            len(self.lines) + 1, kind, item_id, price.price_id, quantity, price.unit, sold=sold
        )
        if kind == "start":
            require_fit(line, state_of(line, self.states))
        self.lines.append(line)
        self.states = with_lines(self.states, [line], self.on)


def _packages(product: Product, add_on_key: str) -> Sequence[Package]:
    """The packages of an add-on that a customer may choose."""
    return next((a.offered_packages for a in product.offered_add_ons if a.key == add_on_key), ())


def _switch_price(
    state: SubscriptionState, item: ItemState, key: str, book: PriceBook
) -> PriceOf | None:
    if state.interval is None:
        return None
    if item.plan_key is not None:
        return book.plan(state.product_key, key, state.interval)
    return book.add_on(state.product_key, item.add_on_key or "", key, state.interval)


def _sold_as_present(state: SubscriptionState, item: ItemState) -> Sold:
    assert state.interval is not None
    return Sold(
        product=state.product_key, interval=state.interval.value, per_seat=item.per_seat,
        plan=item.plan_key, add_on=item.add_on_key, package=item.package_key,
    )  # fmt: skip


def _bounded(quantity: int) -> int:
    if quantity < 1:
        raise DomainError("quantity_too_small", minimum=1)
    if quantity > MAXIMUM_SEATS:
        raise DomainError("quantity_too_large", maximum=MAXIMUM_SEATS)
    return quantity
