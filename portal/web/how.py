"""What "How this works" explains with figures: worked out by the rules themselves, never written down.

A page that knows a price and a period lends its own; else the example is a round one in the
account's currency. Reads nothing: the page has what there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from flask import Flask

from portal.domain.catalogue import Policy
from portal.domain.money import Money
from portal.domain.periods import Period, notice_closes_on
from portal.domain.proration import ProratedLine, prorate_seats, prorate_switch
from portal.web.signed_in import account, parts

__all__ = ["ChangeNotice", "SwitchExample", "install"]

_ROUND = 3_000
"""Minor units: a believable price of a licence in every currency (€30.00, ¥3,000)."""
_DAYS, _DAYS_LEFT = 30, 10


@dataclass(frozen=True, slots=True)
class ChangeNotice:
    """Until when what waits for `renewal` may be asked (S4), and whether that is still to come."""

    renewal: date
    closes_on: date
    in_time: bool


@dataclass(frozen=True, slots=True)
class SwitchExample:
    """A higher plan for one licence: `due` is what the `remainder` costs less the `credit` (C1)."""

    remainder: Money
    credit: Money
    due: Money


def _policy() -> Policy:
    return parts().catalogue.policy


def _today() -> date:
    return parts().clock.today(account().time_zone)


def _change_notice(renewal: date) -> ChangeNotice:
    closes_on = notice_closes_on(renewal, _policy().change_notice_days)
    return ChangeNotice(renewal, closes_on, in_time=_today() <= closes_on)


def _licence_added_today(unit: Money | None, period: Period | None) -> ProratedLine | None:
    """One licence more at the page's own price (S2); None where nothing of it can be added today."""
    today = _today()
    if unit is None or period is None or not period.contains(today):
        return None
    return prorate_seats(1, unit, period, today)


def _licence_added() -> ProratedLine:
    """One licence more at a round price, with ten of thirty days left (S2)."""
    start = _today()
    period = Period(start, start + timedelta(days=_DAYS))
    unit = Money(_ROUND, account().currency)
    return prorate_seats(1, unit, period, period.end - timedelta(days=_DAYS_LEFT))


def _switched_today(
    old: Money | None, new: Money | None, period: Period | None
) -> SwitchExample | None:
    """One licence on a higher plan from today; None where a price or the period is not known."""
    today = _today()
    if old is None or new is None or period is None or not period.contains(today):
        return None
    credit, remainder = prorate_switch(old, new, 1, period, today)
    return SwitchExample(remainder.net, -credit.net, remainder.net + credit.net)


def install(app: Flask) -> None:
    """Give the templates the examples; templates/components/how.html puts them into words."""
    app.jinja_env.globals.update(
        change_notice=_change_notice,
        licence_added=_licence_added,
        licence_added_today=_licence_added_today,
        policy=_policy,
        switched_today=_switched_today,
    )
