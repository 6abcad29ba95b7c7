"""A bank-transfer customer's request to the account executive: what can be asked, and its way.

Two ways lead to the end. What is bought is invoiced, paid and activated; what waits for a renewal
(fewer licences, a lower plan, another billing period) is confirmed with its day. An invoice that
was credited unpaid leads back to where it is prepared (Q3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError, Problem, Rejected
from portal.domain.periods import Interval
from portal.domain.seat_removal import frame_removal
from portal.domain.seats import MAXIMUM_SEATS
from portal.domain.subscriptions import ItemState, SubscriptionState

__all__ = [
    "OPEN_STATUSES", "RequestKind", "RequestStatus", "RequestStep", "StepTaken", "TimelineEntry",
    "Wanted", "can_take", "check_wanted", "may_be_confirmed", "may_be_invoiced", "most_seats",
    "next_status", "plan_timeline",
]  # fmt: skip


class RequestKind(StrEnum):
    """What is asked."""

    MORE_SEATS = "more_seats"
    FEWER_SEATS = "fewer_seats"
    PLAN = "plan"
    PERIOD = "period"
    OTHER = "other"

    @property
    def of_item(self) -> bool:
        """Whether it names licences of the account; anything else is told in words."""
        return self is not RequestKind.OTHER

    @property
    def counts(self) -> bool:
        """Whether it says how many."""
        return self in (RequestKind.MORE_SEATS, RequestKind.FEWER_SEATS)


class RequestStatus(StrEnum):
    """How far a request is; `done` says that what was bought works."""

    SENT = "sent"
    PREPARING = "preparing"
    INVOICED = "invoiced"
    PAID = "paid"
    DONE = "done"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows."""
        return self not in OPEN_STATUSES


OPEN_STATUSES = (
    RequestStatus.SENT,
    RequestStatus.PREPARING,
    RequestStatus.INVOICED,
    RequestStatus.PAID,
)


class RequestStep(StrEnum):
    """What happens to a request: the vendor's, the customer's, the money's."""

    TAKE = "take"
    INVOICE = "invoice"
    PAY = "pay"
    ACTIVATE = "activate"
    LAPSE = "lapse"
    CONFIRM = "confirm"
    FINISH = "finish"
    DECLINE = "decline"
    WITHDRAW = "withdraw"


_SENT, _PREPARING = RequestStatus.SENT, RequestStatus.PREPARING
_INVOICED, _PAID = RequestStatus.INVOICED, RequestStatus.PAID
# From which statuses a step leads where. An account executive may have licences work before the
# money is there (Q3), so activating follows the invoice as well as the payment.
_STEPS: dict[RequestStep, tuple[frozenset[RequestStatus], RequestStatus]] = {
    RequestStep.TAKE: (frozenset({_SENT, _PREPARING}), _PREPARING),
    RequestStep.INVOICE: (frozenset({_SENT, _PREPARING}), _INVOICED),
    RequestStep.PAY: (frozenset({_INVOICED}), _PAID),
    RequestStep.ACTIVATE: (frozenset({_INVOICED, _PAID}), RequestStatus.DONE),
    RequestStep.LAPSE: (frozenset({_INVOICED}), _PREPARING),
    RequestStep.CONFIRM: (frozenset({_SENT, _PREPARING}), RequestStatus.CONFIRMED),
    RequestStep.FINISH: (frozenset({_SENT, _PREPARING}), RequestStatus.DONE),
    RequestStep.DECLINE: (frozenset({_SENT, _PREPARING}), RequestStatus.DECLINED),
    RequestStep.WITHDRAW: (frozenset({_SENT, _PREPARING}), RequestStatus.WITHDRAWN),
}
_AT_RENEWAL = (RequestKind.FEWER_SEATS, RequestKind.PLAN, RequestKind.PERIOD)
_BOUGHT = (RequestKind.MORE_SEATS, RequestKind.PLAN, RequestKind.OTHER)


def may_be_confirmed(kind: RequestKind) -> bool:
    """Whether it can wait for a renewal; a higher plan is bought instead (C1)."""
    return kind in _AT_RENEWAL


def may_be_invoiced(kind: RequestKind) -> bool:
    """Whether an invoice can come of it; fewer licences and another period cost nothing now."""
    return kind in _BOUGHT


def can_take(kind: RequestKind, status: RequestStatus, step: RequestStep) -> bool:
    """Whether `step` is open to a request of `kind` in `status`."""
    if step is RequestStep.CONFIRM and not may_be_confirmed(kind):
        return False
    if step is RequestStep.INVOICE and not may_be_invoiced(kind):
        return False
    if step is RequestStep.FINISH and kind is not RequestKind.OTHER:
        return False
    return status in _STEPS[step][0]


def next_status(kind: RequestKind, status: RequestStatus, step: RequestStep) -> RequestStatus:
    """What a request becomes by `step`; DomainError `change_request_moved_on` (`status`) if it cannot."""
    if not can_take(kind, status, step):
        raise DomainError("change_request_moved_on", status=status.value)
    return _STEPS[step][1]


@dataclass(frozen=True, slots=True)
class StepTaken:
    """A step as it was recorded; `by` is None where the portal took it by itself."""

    at: datetime
    status: RequestStatus
    by: str | None
    from_staff: bool


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of a request's timeline; `taken` is None for what is still to come."""

    status: RequestStatus
    taken: StepTaken | None
    is_current: bool


_WAY_OF_MONEY = (_SENT, _PREPARING, _INVOICED, _PAID, RequestStatus.DONE)
_WAY_OF_RENEWAL = (_SENT, _PREPARING, RequestStatus.CONFIRMED)
_WAY_OF_WORDS = (_SENT, _PREPARING, RequestStatus.DONE)


def plan_timeline(
    kind: RequestKind, status: RequestStatus, taken: Sequence[StepTaken]
) -> tuple[TimelineEntry, ...]:
    """What happened, in its order, and what is to come.

    A plan that nobody has looked at may be bought or wait for a renewal: nothing is foretold then.
    """
    entries = [TimelineEntry(s.status, s, s is taken[-1]) for s in taken]
    if status.is_final:
        return tuple(entries)
    if kind is RequestKind.MORE_SEATS or status in (_INVOICED, _PAID):
        way: Sequence[RequestStatus] = _WAY_OF_MONEY
    elif kind in (RequestKind.FEWER_SEATS, RequestKind.PERIOD):
        way = _WAY_OF_RENEWAL
    elif kind is RequestKind.OTHER:
        way = _WAY_OF_WORDS
    else:
        way = (_SENT, _PREPARING)
    following = way[way.index(status) + 1 :]
    return (*entries, *(TimelineEntry(one, None, is_current=False) for one in following))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a customer asks: `quantity` licences more or fewer of an item, a plan's key or a billing
    period as `target`, and words."""

    kind: RequestKind
    item_id: int | None = None
    quantity: int | None = None
    target: str = ""
    details: str = ""
    purchase_order: str = ""


def most_seats(
    kind: RequestKind, state: SubscriptionState, item: ItemState, asked_on: date, notice_days: int
) -> int:
    """How many licences more or fewer of `item` can be asked; DomainError as `frame_removal`."""
    if kind is RequestKind.MORE_SEATS:
        return max(MAXIMUM_SEATS - item.quantity, 0)
    return frame_removal(state, item.item_id, asked_on, notice_days).most


def check_wanted(
    wanted: Wanted,
    states: Iterable[SubscriptionState],
    catalogue: Catalogue,
    asked_on: date,
) -> None:
    """Raise what speaks against asking for it; who decides is a person, so prices are not looked at.

    DomainError `item_unknown`, `not_running` (`status`), `subscription_ends`; Rejected with the
    fields `quantity` and `target`.
    """
    if not wanted.kind.of_item:
        return
    found = [(s, i) for s in states for i in s.items if i.item_id == wanted.item_id]
    if not found:
        raise DomainError("item_unknown")
    state, item = found[0]
    if not state.is_running:
        raise DomainError("not_running", status=state.status)
    if wanted.kind.counts:
        if not item.per_seat or item.unit_price is None:
            raise DomainError("item_unknown")
        most = most_seats(wanted.kind, state, item, asked_on, catalogue.policy.change_notice_days)
        if not wanted.quantity or wanted.quantity < 1:
            raise Rejected([Problem("quantity", "quantity_too_small", {"minimum": 1})])
        if wanted.quantity > most:
            code = (
                "quantity_too_large"
                if wanted.kind is RequestKind.MORE_SEATS
                else "too_many_removed"
            )
            raise Rejected([Problem("quantity", code, {"maximum": most})])
    elif wanted.kind is RequestKind.PLAN:
        plans = {plan.key for plan in catalogue.product(state.product_key).offered_plans}
        if wanted.target not in plans or wanted.target == state.plan_item.plan_key:
            raise Rejected([Problem("target", "plan_not_chosen")])
    elif wanted.target not in set(Interval) or wanted.target == state.interval:
        raise Rejected([Problem("target", "interval_not_chosen")])
