"""Bringing the tables in line with the vendor's catalogue file.

A changed price retires its row and adds another, so running subscriptions and pinned quotes keep
theirs (C4, Q2). Nothing is deleted: what is gone from the file is retired, and refused while a
live subscription or an automatic top-up still needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue, Charge
from portal.domain.errors import DomainError
from portal.domain.periods import Interval
from portal.models import AddOn, Plan, Price, Product, Subscription, SubscriptionItem, Wallet
from portal.services.audit import SYSTEM, Actor, record

__all__ = [
    "CatalogueChange",
    "CatalogueChanges",
    "CatalogueInUse",
    "Offer",
    "StillUsed",
    "StoredCatalogue",
    "Subject",
    "offers_of",
    "plan_catalogue_sync",
    "stored_catalogue",
    "sync_catalogue",
]

ONCE = "once"
_WITH_ROWS = {"product", "plan", "add_on"}


@dataclass(frozen=True, slots=True)
class Subject:
    """Something with a price, or a product: its kind and its keys in the file, outermost first."""

    kind: str  # product, plan, add_on, credit_pack or service_package
    keys: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where it stands in the file: 'products.crm.plans.pro'."""
        if self.kind == "product":
            return f"products.{self.keys[0]}"
        if self.kind == "plan":
            return f"products.{self.keys[0]}.plans.{self.keys[1]}"
        if self.kind == "add_on":
            return f"products.{self.keys[0]}.add_ons.{self.keys[1]}.packages.{self.keys[2]}"
        return f"{self.kind}s.{self.keys[0]}"


@dataclass(frozen=True, slots=True)
class Offer:
    """What the tables hold of a subject. `prices`: minor units by (interval, currency)."""

    rank: int = 0
    per_seat: bool = True
    retired: bool = False
    prices: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredCatalogue:
    """The tables' side: offers, and how many live subscriptions or wallets use each subject."""

    offers: Mapping[Subject, Offer]
    used: Mapping[Subject, int]


@dataclass(frozen=True, slots=True)
class CatalogueChange:
    """One difference. `what`: added, retired, restored, changed, price_added, price_changed or
    price_retired; a price names its interval and currency, `old` and `new` are minor units."""

    what: str
    subject: Subject
    interval: str = ""
    currency: str = ""
    old: int | None = None
    new: int | None = None


@dataclass(frozen=True, slots=True)
class CatalogueChanges:
    """Everything that the file changes in the tables, in the order of the file."""

    changes: tuple[CatalogueChange, ...]

    def __bool__(self) -> bool:
        return bool(self.changes)

    def count(self, what: str) -> int:
        """How many changes are of one sort."""
        return sum(change.what == what for change in self.changes)


@dataclass(frozen=True, slots=True)
class StillUsed:
    """Why a file is refused: `why` is 'removed' or 'charge_changed', `by` counts the users."""

    subject: Subject
    why: str
    by: int


class CatalogueInUse(DomainError):
    """The file lacks something that is in use; code `catalogue_in_use`, each thing in `things`."""

    def __init__(self, things: tuple[StillUsed, ...]) -> None:
        self.things = things
        super().__init__("catalogue_in_use", things=things)


def offers_of(catalogue: Catalogue) -> dict[Subject, Offer]:
    """The file's side of the comparison, in its order."""
    return dict(_offers_of(catalogue))


def _offers_of(catalogue: Catalogue) -> Iterator[tuple[Subject, Offer]]:
    for product in catalogue.products:
        yield Subject("product", (product.key,)), Offer(retired=product.retired)
        for plan in product.plans:
            yield (
                Subject("plan", (product.key, plan.key)),
                Offer(plan.rank, True, plan.retired or product.retired, _listed(plan.prices.minor)),
            )
        for add_on in product.add_ons:
            for package in add_on.packages:
                yield (
                    Subject("add_on", (product.key, add_on.key, package.key)),
                    Offer(
                        package.tier,
                        add_on.charge is Charge.PER_SEAT,
                        package.retired or add_on.retired or product.retired,
                        _listed(package.prices.minor),
                    ),
                )
    for pack in catalogue.credit_packs:
        prices = {(ONCE, currency): minor for currency, minor in pack.prices.minor.items()}
        yield Subject("credit_pack", (pack.key,)), Offer(prices=prices)
    for service in catalogue.service_packages:
        prices = {(ONCE, currency): minor for currency, minor in service.prices.minor.items()}
        yield Subject("service_package", (service.key,)), Offer(prices=prices)


def _listed(prices: Mapping[tuple[Interval, str], int]) -> dict[tuple[str, str], int]:
    return {(interval.value, currency): minor for (interval, currency), minor in prices.items()}


def plan_catalogue_sync(
    offers: Mapping[Subject, Offer], stored: StoredCatalogue
) -> CatalogueChanges:
    """What must change so that the tables say what the file says; pure.

    CatalogueInUse where the file lacks something that is used, or counts it differently.
    """
    refused = []
    for subject, old in stored.offers.items():
        used = stored.used.get(subject, 0)
        new = offers.get(subject)
        if used and new is None:
            refused.append(StillUsed(subject, "removed", used))
        elif used and new is not None and new.per_seat != old.per_seat:
            refused.append(StillUsed(subject, "charge_changed", used))
    if refused:
        raise CatalogueInUse(tuple(refused))

    changes: list[CatalogueChange] = []
    for subject, new in offers.items():
        changes += _differences(subject, stored.offers.get(subject), new)
    for subject, old in stored.offers.items():
        if subject not in offers:
            changes += _differences(subject, old, Offer(old.rank, old.per_seat, True))
    return CatalogueChanges(tuple(changes))


def _differences(subject: Subject, old: Offer | None, new: Offer) -> Iterator[CatalogueChange]:
    if old is None:
        if subject.kind in _WITH_ROWS:
            yield CatalogueChange("added", subject)
        old = Offer(new.rank, new.per_seat, False)
    elif (old.rank, old.per_seat) != (new.rank, new.per_seat):
        yield CatalogueChange("changed", subject, old=old.rank, new=new.rank)
    if old.retired != new.retired:
        yield CatalogueChange("retired" if new.retired else "restored", subject)
    for key in dict.fromkeys((*new.prices, *old.prices)):
        before, after = old.prices.get(key), new.prices.get(key)
        if before == after:
            continue
        what = (
            "price_added" if before is None
            else "price_retired" if after is None
            else "price_changed"
        )  # fmt: skip
        yield CatalogueChange(what, subject, key[0], key[1], before, after)


class _Rows:
    """The catalogue's rows by subject, loaded once."""

    def __init__(self, session: Session) -> None:
        self.rows: dict[Subject, Product | Plan | AddOn] = {}
        self.products: dict[int, Product] = {}
        for product in session.scalars(select(Product).order_by(Product.id)):
            self.products[product.id] = product
            self.rows[Subject("product", (product.key,))] = product
        by_plan: dict[int, Subject] = {}
        for plan in session.scalars(select(Plan).order_by(Plan.id)):
            subject = Subject("plan", (self.products[plan.product_id].key, plan.key))
            self.rows[subject] = plan
            by_plan[plan.id] = subject
        by_add_on: dict[int, Subject] = {}
        for add_on in session.scalars(select(AddOn).order_by(AddOn.id)):
            keys = (self.products[add_on.product_id].key, add_on.key, add_on.package_key)
            self.rows[Subject("add_on", keys)] = add_on
            by_add_on[add_on.id] = Subject("add_on", keys)
        self.by_plan, self.by_add_on = by_plan, by_add_on
        self.prices: dict[tuple[Subject, str, str], Price] = {}
        for price in session.scalars(select(Price).where(Price.retired_at.is_(None))):
            self.prices[self.subject_of(price), price.interval, price.currency] = price

    def subject_of(self, price: Price) -> Subject:
        if price.plan_id is not None:
            return self.by_plan[price.plan_id]
        if price.add_on_id is not None:
            return self.by_add_on[price.add_on_id]
        if price.credit_pack_key is not None:
            return Subject("credit_pack", (price.credit_pack_key,))
        return Subject("service_package", (str(price.service_package_key),))

    def offers(self) -> dict[Subject, Offer]:
        prices: dict[Subject, dict[tuple[str, str], int]] = {}
        for (subject, interval, currency), price in self.prices.items():
            prices.setdefault(subject, {})[interval, currency] = price.unit_minor
        found: dict[Subject, Offer] = {}
        for subject, row in self.rows.items():
            rank = 0 if isinstance(row, Product) else row.rank
            per_seat = row.per_seat if isinstance(row, AddOn) else True
            retired = row.retired_at is not None
            found[subject] = Offer(rank, per_seat, retired, prices.get(subject, {}))
        # Packs of credits and services have no row of their own: their prices are all there is.
        for subject, listed in prices.items():
            found.setdefault(subject, Offer(prices=listed))
        return found

    def used(self, session: Session) -> dict[Subject, int]:
        live = (
            select(
                SubscriptionItem.plan_id,
                SubscriptionItem.add_on_id,
                Subscription.product_id,
                func.count(Subscription.id.distinct()),
            )
            .join(Subscription, Subscription.id == SubscriptionItem.subscription_id)
            .where(Subscription.status != "ended", SubscriptionItem.removed_at.is_(None))
            .group_by(SubscriptionItem.plan_id, SubscriptionItem.add_on_id, Subscription.product_id)
        )
        used: dict[Subject, int] = {}
        for plan_id, add_on_id, product_id, count in session.execute(live):
            subject = (
                self.by_plan[plan_id] if plan_id is not None else self.by_add_on[add_on_id or 0]
            )
            used[subject] = used.get(subject, 0) + count
            if plan_id is not None:  # every live subscription has one plan
                product = Subject("product", (self.products[product_id].key,))
                used[product] = used.get(product, 0) + count
        packs = (
            select(Wallet.pack_key, func.count())
            .where(Wallet.auto_top_up, Wallet.pack_key.is_not(None))
            .group_by(Wallet.pack_key)
        )
        for key, count in session.execute(packs):
            used[Subject("credit_pack", (str(key),))] = count
        return used


def stored_catalogue(session: Session) -> StoredCatalogue:
    """What the tables say now, and what of it is in use."""
    rows = _Rows(session)
    return StoredCatalogue(rows.offers(), rows.used(session))


def sync_catalogue(
    session: Session, catalogue: Catalogue, now: datetime, *, actor: Actor = SYSTEM
) -> CatalogueChanges:
    """Make the tables say what the file says; a second time it changes nothing.

    CatalogueInUse as `plan_catalogue_sync`, and then nothing was changed.
    """
    rows = _Rows(session)
    offers = offers_of(catalogue)
    plan = plan_catalogue_sync(offers, StoredCatalogue(rows.offers(), rows.used(session)))
    for change in plan.changes:
        if change.what.startswith("price_"):
            _apply_price(session, rows, change, now)
        else:
            _apply_row(session, rows, change, offers.get(change.subject), now)
    if plan:
        record(
            session, "catalogue_synced", actor=actor, now=now, account_id=None,
            subject="catalogue", new={"changes": [_told(change) for change in plan.changes]},
        )  # fmt: skip
    session.flush()
    return plan


def _apply_row(
    session: Session, rows: _Rows, change: CatalogueChange, offer: Offer | None, now: datetime
) -> None:
    subject = change.subject
    if change.what == "added":
        row = _new_row(rows, subject, offer or Offer())
        if row is not None:
            rows.rows[subject] = row
            session.add(row)
            session.flush()  # later rows of the same file point to it
        return
    row = rows.rows.get(subject)
    if row is None:
        return
    if change.what == "changed" and offer is not None and not isinstance(row, Product):
        row.rank = offer.rank
        if isinstance(row, AddOn):
            row.per_seat = offer.per_seat
    elif change.what == "retired":
        row.retired_at = now
    elif change.what == "restored":
        row.retired_at = None


def _new_row(rows: _Rows, subject: Subject, offer: Offer) -> Product | Plan | AddOn | None:
    if subject.kind == "product":
        return Product(key=subject.keys[0])
    if subject.kind not in {"plan", "add_on"}:
        return None
    product = rows.rows[Subject("product", subject.keys[:1])]
    if subject.kind == "plan":
        return Plan(product_id=product.id, key=subject.keys[1], rank=offer.rank)
    return AddOn(
        product_id=product.id,
        key=subject.keys[1],
        package_key=subject.keys[2],
        per_seat=offer.per_seat,
        rank=offer.rank,
    )


def _apply_price(session: Session, rows: _Rows, change: CatalogueChange, now: datetime) -> None:
    subject = change.subject
    old = rows.prices.pop((subject, change.interval, change.currency), None)
    if old is not None:
        old.retired_at = now
        session.flush()  # only one current price each: the old one goes first
    if change.new is None:
        return
    row = rows.rows.get(subject)
    price = Price(
        plan_id=row.id if isinstance(row, Plan) else None,
        add_on_id=row.id if isinstance(row, AddOn) else None,
        credit_pack_key=subject.keys[0] if subject.kind == "credit_pack" else None,
        service_package_key=subject.keys[0] if subject.kind == "service_package" else None,
        interval=change.interval,
        currency=change.currency,
        unit_minor=change.new,
        created_at=now,
    )
    session.add(price)
    rows.prices[subject, change.interval, change.currency] = price


def _told(change: CatalogueChange) -> dict[str, object]:
    told: dict[str, object] = {"what": change.what, "place": change.subject.place}
    if change.interval:
        told |= {"interval": change.interval, "currency": change.currency}
    if change.old is not None or change.new is not None:
        told |= {"old": change.old, "new": change.new}
    return told
