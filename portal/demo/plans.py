"""What a demo customer is described with; all days count from the day the demo is filled."""

from __future__ import annotations

from dataclasses import dataclass

from portal.domain.periods import Interval

__all__ = [
    "AddOnPlan",
    "AutoTopUpPlan",
    "CustomerPlan",
    "MemberPlan",
    "MessagePlan",
    "MethodPlan",
    "PackagePlan",
    "QuotePlan",
    "ReductionPlan",
    "SeatOrderPlan",
    "SubscriptionPlan",
    "TopUpPlan",
    "UsagePlan",
]


@dataclass(frozen=True, slots=True)
class MemberPlan:
    """A person in the account, added so many days ago."""

    name: str
    email: str
    locale: str
    role: str = "member"
    days_ago: int = 200
    status: str = "active"


@dataclass(frozen=True, slots=True)
class MethodPlan:
    """The default payment method; a card expires `years` from now."""

    kind: str
    brand: str
    last4: str
    years: int | None = None
    month: int | None = None


@dataclass(frozen=True, slots=True)
class AddOnPlan:
    """An add-on; a flat one has quantity 1 and nobody holds it."""

    key: str
    package: str
    quantity: int = 1
    assigned: int = 0


@dataclass(frozen=True, slots=True)
class SeatOrderPlan:
    """Seats of the plan that were bought on the way; they are part of the present quantity."""

    days_ago: int
    seats: int


@dataclass(frozen=True, slots=True)
class SubscriptionPlan:
    """A product with its present seats, of which the first `assigned` people hold one each.

    It renews in `renews_in` days and has `periods` periods behind and including the present one.
    For a trial there are none: it ends in `renews_in` days and began `trial_days` before that; one
    that is over since some days has fewer than none.
    """

    product: str
    plan: str
    seats: int
    assigned: int
    renews_in: int
    interval: Interval | None
    periods: int = 1
    add_ons: tuple[AddOnPlan, ...] = ()
    orders: tuple[SeatOrderPlan, ...] = ()
    trial_days: int = 14


@dataclass(frozen=True, slots=True)
class TopUpPlan:
    """A pack of credits that was bought."""

    days_ago: int
    pack: str


@dataclass(frozen=True, slots=True)
class AutoTopUpPlan:
    """A pack is bought automatically since then; the cap is for a month, with VAT."""

    days_ago: int
    threshold: int
    pack: str
    cap_minor: int


@dataclass(frozen=True, slots=True)
class UsagePlan:
    """Credits that were used: `count` uses of one kind."""

    days_ago: int
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class QuotePlan:
    """A quote by the account executive for more seats, by product key; `closed` tells its end."""

    days_ago: int
    seats: tuple[tuple[str, int], ...]
    message: str
    discount_basis_points: int = 0
    declined_days_ago: int | None = None
    decline_reason: str = ""


@dataclass(frozen=True, slots=True)
class ReductionPlan:
    """Fewer seats of a product's plan were asked for; `seats` stay from the renewal on."""

    days_ago: int
    product: str
    seats: int


@dataclass(frozen=True, slots=True)
class MessagePlan:
    """An admin wrote to the vendor, and had the answer the day after."""

    days_ago: int
    about: str
    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class PackagePlan:
    """An admin asked for a service package, which the vendor arranged two days later."""

    days_ago: int
    package: str
    wishes: str
    answer: str


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """An admin asked the account executive, who answered a day later; a `done` one was finished then.

    `quantity` licences more of a product's plan, or words alone.
    """

    days_ago: int
    details: str
    answer: str
    product: str | None = None
    quantity: int | None = None
    purchase_order: str = ""
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerPlan:
    """One customer of the demo vendor."""

    key: str
    name: str
    locale: str
    time_zone: str
    currency: str = "EUR"
    payment_terms: str = "automatic"
    address_line1: str
    address_line2: str = ""
    postal_code: str
    city: str
    country: str
    vat_number: str | None
    vat_status: str
    billing_email: str
    purchase_order: str = ""
    has_executive: bool = False
    method: MethodPlan | None = None
    members: tuple[MemberPlan, ...]
    subscriptions: tuple[SubscriptionPlan, ...]
    top_ups: tuple[TopUpPlan, ...] = ()
    usages: tuple[UsagePlan, ...] = ()
    auto_top_up: AutoTopUpPlan | None = None
    quotes: tuple[QuotePlan, ...] = ()
    reductions: tuple[ReductionPlan, ...] = ()
    messages: tuple[MessagePlan, ...] = ()
    packages: tuple[PackagePlan, ...] = ()
    requests: tuple[RequestPlan, ...] = ()
