"""Help in place: "How this works" speaks with the person's own dates and figures (S2, S4, C1)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.domain.money import Money
from portal.formats import format_money
from portal.models import BillingPeriod
from tests.conftest import NOW
from tests.support.buying import (
    AMELIA,
    ATELIER,
    CAMILLE,
    GIULIA,
    JONAS,
    LOTTE,
    plan_item,
    speak,
)
from tests.support.client import PortalClient

SMALLER = "Ask at least 15 days before the renewal; asked later, it comes with the one after that."


def help_on(client: PortalClient, path: str) -> str:
    """The words of the page's "How this works"."""
    client.get(path)
    assert client.page is not None
    (found,) = client.page.all("details", class_="how")
    return client.page.text(found)


def period_of(books: Session) -> tuple[int, int]:
    """The days left of the current period of the first customer's CRM, and all of them."""
    period = books.scalars(
        select(BillingPeriod).where(
            BillingPeriod.subscription_id == plan_item(books, ATELIER).subscription_id,
            BillingPeriod.is_current,
        )
    ).one()
    return (period.ends_on - NOW.date()).days, (period.ends_on - period.starts_on).days


def part_of(cents: int, left: int, days: int) -> int:
    """`left` of `days` days of a price, rounded by another way than the portal's."""
    return int((Decimal(cents) * left / days).quantize(Decimal(1), ROUND_HALF_UP))


def euros(cents: int) -> str:
    return format_money(Money(cents, "EUR"), "en")


def test_S2_one_licence_more_is_worked_out_at_the_persons_own_price_and_days(
    client: PortalClient, books: Session
) -> None:
    left, days = period_of(books)
    client.sign_in(LOTTE)
    own = f"1 licence × €75.00 × {left} of {days} days = {euros(part_of(7500, left, days))}."
    assert own in help_on(client, "/licences")
    item = plan_item(books, ATELIER)
    assert own in help_on(client, f"/licences/{item.subscription_id}/add")


def test_S2_a_page_without_a_price_has_an_example_in_the_accounts_currency(
    client: PortalClient,
) -> None:
    client.sign_in(AMELIA)  # a trial, in pounds
    assert (
        "An example: a licence costs £30.00 for 30 days. With 10 days left, one more costs "
        "£30.00 × 10 ÷ 30 = £10.00."
    ) in help_on(client, "/licences")


def test_S4_the_dates_are_those_of_the_persons_own_renewals(client: PortalClient) -> None:
    client.sign_in(LOTTE)
    text = help_on(client, "/licences")
    assert SMALLER in text
    in_time = "renews on 30 November 2026: you can ask until 15 November 2026."
    assert f"Kanto CRM {in_time}" in text
    for path in ("/billing", "/billing/next-invoice", "/billing/period"):
        assert in_time in help_on(client, path), path
    assert "until 15" not in help_on(client, "/requests")  # which knows no renewal


@pytest.mark.parametrize(("day", "late"), [(15, False), (16, True)])
def test_S4_the_day_after_the_last_it_says_which_renewal_counts(
    client: PortalClient, books: Session, day: int, late: bool
) -> None:
    clock.fix(datetime(2026, 11, day, 9, tzinfo=UTC))
    client.sign_in(LOTTE)
    words = "renews on 30 November 2026. What you ask for today takes effect with the renewal after that."
    here = f"/licences/{plan_item(books, ATELIER).subscription_id}"
    for path in ("/licences", f"{here}/remove", f"{here}/plan", f"{here}/cancel"):
        assert (words in help_on(client, path)) is late, path


def test_every_product_that_renews_is_named_and_no_other(client: PortalClient) -> None:
    speak(client, GIULIA, "en")
    client.sign_in(GIULIA)
    text = help_on(client, "/licences")
    for product in ("CRM", "Desk", "Insights", "Forms", "Sign"):
        assert text.count(f"Kanto {product} renews on ") == 1, product
    client.sign_in(AMELIA)
    assert " renews on " not in help_on(client, "/licences")


def test_C1_an_upgrade_is_worked_out_as_credit_and_remainder(
    client: PortalClient, books: Session
) -> None:
    left, days = period_of(books)
    client.sign_in(LOTTE)
    new, old = part_of(13500, left, days), part_of(7500, left, days)
    assert (
        f"For one licence of Enterprise that is {euros(new - old)} today, without VAT: "
        f"{euros(new)} for the new plan, less {euros(old)} for what is left of the old one."
    ) in help_on(client, f"/licences/{plan_item(books, ATELIER).subscription_id}/plan")


def test_who_pays_by_transfer_reads_of_requests_and_who_pays_by_card_of_charges(
    client: PortalClient,
) -> None:
    speak(client, CAMILLE, "en")
    client.sign_in(CAMILLE)
    text = help_on(client, "/licences")
    assert "The day on which you send your request counts." in text
    assert "issued 15 days before the renewal and are due 30 days later" in text
    assert "We charge your payment method" not in text
    client.sign_in(LOTTE)
    text = help_on(client, "/licences")
    assert "We charge your payment method that day" in text
    assert "request" not in text


def test_a_member_reads_of_licences_and_not_of_money(client: PortalClient) -> None:
    speak(client, JONAS, "en")
    client.sign_in(JONAS)
    text = help_on(client, "/licences")
    assert "An admin of your company gives licences and frees them." in text
    assert "€" not in text
    assert "renew" not in text
