"""What an account executive offers: lines of the catalogue or of free words, each with a discount."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.order_lines import PinnedLine, with_lines
from portal.domain.price_book import PriceBook
from portal.domain.pricing import FULL
from portal.domain.purchases import Purchase, plan_purchase
from portal.domain.subscriptions import SubscriptionState
from portal.domain.wishes import Wish

__all__ = ["LONGEST_VALIDITY", "Discount", "Offer", "Offered", "credits_given_away", "plan_offer",
           "require_no_gift", "require_validity"]  # fmt: skip

LONGEST_VALIDITY = 365  # days; a price that is older needs another look
_HUNDRED = 100


@dataclass(frozen=True, slots=True)
class Discount:
    """A part of a line's amount in basis points, or an amount off it in minor units; or neither."""

    basis_points: int = 0
    minor: int = 0

    @classmethod
    def percent(cls, percent: Decimal) -> Discount:
        """DomainError `discount_malformed` beyond 0 to 100 per cent, or finer than a hundredth."""
        points = percent * _HUNDRED
        if not 0 <= points <= FULL or points != points.to_integral_value():
            raise DomainError("discount_malformed")
        return cls(basis_points=int(points))


@dataclass(frozen=True, slots=True)
class Offered:
    """One wish of the offer, and what is taken off it."""

    wish: Wish
    discount: Discount = Discount()


@dataclass(frozen=True, slots=True)
class Offer:
    """The purchase that an offer comes to; `sources` says for each line which `Offered` it is of."""

    purchase: Purchase
    sources: tuple[int, ...]


def plan_offer(
    offered: Sequence[Offered],
    states: Iterable[SubscriptionState],
    book: PriceBook,
    catalogue: Catalogue,
    on: date,
) -> Offer:
    """The lines of what is offered, one wish after the other, each on what those before it leave.

    A part is taken off every line that a wish costs, an amount off the first of them; what is given
    back for an unused part stays whole. Errors as `plan_purchase`; DomainError `offer_empty`,
    `discount_too_large` (`maximum`) where the amount is more than the line's whole price, and
    `discount_gives_credits` (`credits`, `maximum`) where the discounts on packs give away more
    credits than one person may.
    """
    if not offered:
        raise DomainError("offer_empty")
    present = tuple(states)
    lines: list[PinnedLine] = []
    sources: list[int] = []
    parts: list[Purchase] = []
    for place, one in enumerate(offered):
        purchase = plan_purchase([one.wish], present, book, catalogue, "", on, by_staff=True)
        first = len(lines)
        mine = [replace(x, position=first + x.position) for x in purchase.lines]
        present = with_lines(present, mine, on)
        lines += _discounted(mine, one.discount)
        sources += [place] * len(mine)
        parts.append(purchase)
    require_no_gift(lines, Fraction(0), catalogue.policy.manual_credit_approval_limit)
    return Offer(
        Purchase(
            tuple(lines),
            tuple(dict.fromkeys(key for part in parts for key in part.subscriptions)),
            tuple(dict.fromkeys(key for part in parts for key in part.products)),
            any(part.wallet for part in parts),
            tuple(dict.fromkeys(key for part in parts for key in part.services)),
        ),
        tuple(sources),
    )


def _discounted(lines: Sequence[PinnedLine], discount: Discount) -> list[PinnedLine]:
    costs = [line for line in lines if not line.unit_price.is_negative]
    first = costs[0].position if costs else 0
    if costs and discount.minor > (whole := costs[0].unit_price * costs[0].quantity).minor:
        raise DomainError("discount_too_large", maximum=Money(whole.minor, whole.currency))
    return [
        replace(
            line,
            discount_basis_points=discount.basis_points,
            discount_minor=discount.minor if line.position == first else 0,
        )
        if line in costs
        else line
        for line in lines
    ]


def credits_given_away(lines: Iterable[PinnedLine]) -> Fraction:
    """How many credits the discounts on packs come to: of each pack the share that is not paid."""
    given = Fraction(0)
    for line in lines:
        whole = (line.unit_price * line.quantity).minor
        if line.once is not None and line.once.credits and whole:
            off = Fraction(line.discount_basis_points, FULL) + Fraction(line.discount_minor, whole)
            given += line.once.credits * min(off, Fraction(1))
    return given


def require_no_gift(lines: Iterable[PinnedLine], lately: Fraction, limit: int) -> None:
    """Above the limit two people give credits (CreditGrant); a discount is no way round the second.

    `lately` are those that other quotes of the same person give. DomainError
    `discount_gives_credits` (`credits`, `maximum`).
    """
    given = credits_given_away(lines)
    if given and given + lately > limit:
        raise DomainError("discount_gives_credits", credits=ceil(given + lately), maximum=limit)


def require_validity(valid_until: date, today: date) -> None:
    """Raise `validity_past` or `validity_too_long` (`on`, the last day there may be)."""
    if valid_until < today:
        raise DomainError("validity_past")
    last = today + timedelta(days=LONGEST_VALIDITY)
    if valid_until > last:
        raise DomainError("validity_too_long", on=last)
