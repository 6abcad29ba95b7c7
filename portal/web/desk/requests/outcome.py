"""What a request comes to if it is confirmed: its renewal, the amounts, who loses access (S4, S6)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy.engine import Connection

from portal.domain.catalogue import Catalogue
from portal.domain.changes import ChangeTime, PlannedChange, plan_period_change, plan_plan_change
from portal.domain.errors import DomainError
from portal.domain.late_reductions import (
    LateCredit,
    confirmation_key,
    credited_by,
    plan_late_credits,
)
from portal.domain.money import Money
from portal.domain.periods import Interval, Period
from portal.domain.pricing import decide_vendor_tax, document_totals
from portal.domain.requests import RequestKind, RequestStatus, RequestStep, can_take
from portal.domain.seat_removal import plan_seat_removal
from portal.domain.subscriptions import SubscriptionState
from portal.queries.desk_accounts import DeskAccount
from portal.queries.holders import HeldBy, list_subscription_held
from portal.queries.prices import get_price_book
from portal.queries.requests import ChangeRequestRow, ToHandle
from portal.queries.subscriptions import list_subscription_states
from portal.web.changes.views import MovedLine, moved_lines

__all__ = ["Outcome", "outcome_of"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The renewal without and with what is asked; `losing` give their licence back then.

    `moved` waits for another renewal with it (C2). `problem` is why it cannot be confirmed as it was asked, and the rest is empty then.
    """

    problem: DomainError | None
    key: str = ""
    time: ChangeTime | None = None
    before: Money | None = None
    after: Money | None = None
    interval: Interval | None = None
    losing: tuple[HeldBy, ...] = ()
    period: Period | None = None
    late: tuple[LateCredit, ...] = ()
    moved: tuple[MovedLine, ...] = ()

    @property
    def credited(self) -> Money | None:
        """What is credited with the confirmation, without VAT; None for nothing."""
        return credited_by(self.late)


def outcome_of(
    connection: Connection, found: ToHandle, account: DeskAccount, catalogue: Catalogue, locale: str
) -> Outcome | None:
    """What confirming it would do, by the plan that then does it; None where that is no way."""
    row, active_admins = found.request, found.active_admins
    kind = RequestKind(row.kind)
    if not can_take(kind, RequestStatus(row.status), RequestStep.CONFIRM):
        return None
    states = list_subscription_states(connection, account.id)
    state = next((s for s in states if s.item(row.item_id) is not None), None)
    if state is None:
        return Outcome(DomainError("item_unknown"))
    try:
        outcome = _planned(connection, row, kind, state, active_admins, account, catalogue, locale)
    except DomainError as error:
        return Outcome(error)
    if kind is not RequestKind.FEWER_SEATS:
        return outcome
    late = plan_late_credits(
        row.sent_on, row.quantity or 0, found.invoiced, catalogue.policy.change_notice_days
    )
    return replace(outcome, key=confirmation_key(outcome.key, late), late=late)


def _planned(
    connection: Connection, row: ChangeRequestRow, kind: RequestKind, state: SubscriptionState,
    active_admins: int, account: DeskAccount, catalogue: Catalogue, locale: str,
) -> Outcome:  # fmt: skip
    notice = catalogue.policy.change_notice_days
    if kind is RequestKind.FEWER_SEATS:
        assert row.item_id is not None, "fewer licences are of an item"
        held = list_subscription_held(connection, account.id, state.subscription_id)
        removal = plan_seat_removal(
            state, row.item_id, row.quantity or 0, held=[one.held for one in held],
            active_admins=active_admins, asked_on=row.sent_on, notice_days=notice,
        )  # fmt: skip
        leaving = {one.assignment_id for one in removal.losing}
        losing = tuple(one for one in held if one.held.assignment_id in leaving)
        return _outcome(removal.planned, removal.key, account, catalogue, losing)
    book = get_price_book(connection, account.currency)
    if kind is RequestKind.PLAN:
        planned = plan_plan_change(state, row.target, book, row.sent_on, notice)
    else:
        planned = plan_period_change(state, Interval(row.target), book, row.sent_on, notice)
    outcome = _outcome(planned, planned.key, account, catalogue)
    return replace(outcome, moved=moved_lines(state, planned, catalogue, locale))


def _outcome(
    planned: PlannedChange, key: str, account: DeskAccount, catalogue: Catalogue,
    losing: tuple[HeldBy, ...] = (),
) -> Outcome:  # fmt: skip
    buying = account.buying
    tax = decide_vendor_tax(
        catalogue.vendor, buying.country, buying.vat_number, buying.vat_status
    )  # fmt: skip
    before, after = (
        document_totals((line.net for line in renewal.lines), tax.rate, buying.currency).gross
        for renewal in (planned.before, planned.after)
    )
    return Outcome(
        None, key, planned.time, before, after, planned.after.after.interval, losing,
        planned.after.after.period,
    )  # fmt: skip
