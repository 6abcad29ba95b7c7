"""The banner on every page of an account with a trial: how many days are left, and the way to buy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from portal.domain.trials import READ_ONLY, days_left, read_until, trial_stage
from portal.web.locale import speech
from portal.web.signed_in import account, parts

__all__ = ["TrialBanner", "trial_banner"]


@dataclass(frozen=True, slots=True)
class TrialBanner:
    """The trial that ends first; `others` are those besides it.

    `read_until` is set where it is over and can only be read. `buy_url` is None where its product
    is not sold any more.
    """

    product: str
    ends_on: date
    days_left: int
    read_until: date | None
    buy_url: str | None
    others: int

    @property
    def is_urgent(self) -> bool:
        """Whether it is over, or its last week has begun."""
        return self.read_until is not None or self.days_left <= LAST_WEEK


LAST_WEEK = 7  # days


def trial_banner() -> TrialBanner | None:
    """What the pages of the current account say of its trials; None where it has none."""
    who, here = account(), parts()
    if not who.trials:
        return None
    today, first = here.clock.today(who.time_zone), who.trials[0]
    product = here.catalogue.product(first.product_key)
    status, since = trial_stage(first.status, first.ends_on, first.read_only_from, today)
    last = None
    if status == READ_ONLY and since is not None:
        last = read_until(since, here.catalogue.policy.trial_read_only_days)
    return TrialBanner(
        product=product.name.in_(speech().locale),
        ends_on=first.ends_on,
        days_left=days_left(first.ends_on, today),
        read_until=last,
        buy_url=f"/subscribe/{product.key}" if product.offered_plans else None,
        others=len(who.trials) - 1,
    )
