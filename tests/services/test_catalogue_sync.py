"""The catalogue file becomes rows; running subscriptions keep their prices (C4, Q2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.demo import demo_catalogue_text
from portal.domain.catalogue import Catalogue
from portal.domain.catalogue_file import parse_catalogue
from portal.domain.money import Money
from portal.models import (
    AddOn,
    AuditEvent,
    Plan,
    Price,
    Product,
    QuoteLine,
    Subscription,
    SubscriptionItem,
    Wallet,
)
from portal.queries.prices import (
    get_add_on_price,
    get_credit_pack_price,
    get_plan_price,
    get_service_package_price,
    list_current_prices,
)
from portal.services.catalogue_sync import (
    CatalogueInUse,
    Offer,
    StoredCatalogue,
    Subject,
    offers_of,
    plan_catalogue_sync,
    stored_catalogue,
    sync_catalogue,
)
from tests.conftest import NOW

LATER = NOW + timedelta(hours=1)
PRO = Subject("plan", ("crm", "pro"))


def catalogue(*changes: tuple[str, str]) -> Catalogue:
    text = demo_catalogue_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return parse_catalogue(text)


def without(table: str) -> Catalogue:
    """The demo's file without the tables that begin with `table`."""
    kept, skipping = [], False
    for line in demo_catalogue_text().splitlines():
        if line.startswith("["):
            skipping = line.startswith((f"[{table}]", f"[{table}."))
        if not skipping:
            kept.append(line)
    return parse_catalogue("\n".join(kept))


def plan_row(session: Session, product: str, key: str) -> Plan:
    return session.scalars(
        select(Plan).join(Product).where(Product.key == product, Plan.key == key)
    ).one()


def test_syncing_again_changes_nothing_and_says_nothing(session: Session) -> None:
    events = session.scalar(select(func.count(AuditEvent.id)))
    prices = session.scalar(select(func.count(Price.id)))
    assert not sync_catalogue(session, catalogue(), LATER)
    session.flush()
    assert session.scalar(select(func.count(AuditEvent.id))) == events
    assert session.scalar(select(func.count(Price.id))) == prices


def test_the_tables_say_what_the_file_says(session: Session) -> None:
    offers = {s: o for s, o in offers_of(catalogue()).items() if o.prices or s.kind == "product"}
    assert stored_catalogue(session).offers == offers


def test_C4_a_changed_price_is_a_new_row_and_running_subscriptions_keep_theirs(
    session: Session,
) -> None:
    pro = plan_row(session, "crm", "pro")
    old = get_plan_price(session.connection(), pro.id, "quarter", "EUR")
    assert old is not None
    assert old.unit == Money(7500, "EUR")
    pinned = session.execute(select(SubscriptionItem.id, SubscriptionItem.price_id)).all()
    quoted = session.execute(select(QuoteLine.id, QuoteLine.price_id, QuoteLine.unit_minor)).all()

    changes = sync_catalogue(session, catalogue(('quarter = "75.00"', 'quarter = "78.00"')), LATER)

    (change,) = changes.changes
    assert (change.what, change.subject, change.old, change.new) == (
        "price_changed", PRO, 7500, 7800,
    )  # fmt: skip
    new = get_plan_price(session.connection(), pro.id, "quarter", "EUR")
    assert new is not None
    assert (new.unit, new.id != old.id) == (Money(7800, "EUR"), True)
    row = session.get_one(Price, old.id)
    assert (row.unit_minor, row.retired_at) == (7500, LATER)
    assert session.execute(select(SubscriptionItem.id, SubscriptionItem.price_id)).all() == pinned
    assert (
        session.execute(select(QuoteLine.id, QuoteLine.price_id, QuoteLine.unit_minor)).all()
        == quoted
    )
    event = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()
    assert event.action == "catalogue_synced"
    assert event.new == {
        "changes": [
            {"what": "price_changed", "place": "products.crm.plans.pro", "interval": "quarter",
             "currency": "EUR", "old": 7500, "new": 7800}
        ]
    }  # fmt: skip


def test_a_price_that_leaves_the_file_is_offered_to_nobody(session: Session) -> None:
    pro = plan_row(session, "crm", "pro")
    sync_catalogue(
        session,
        catalogue(('GBP = { month = "23.50", quarter = "65.00", year = "247.00" }',
                   'GBP = { month = "23.50", year = "247.00" }')),
        LATER,
    )  # fmt: skip
    assert get_plan_price(session.connection(), pro.id, "quarter", "GBP") is None
    assert get_plan_price(session.connection(), pro.id, "month", "GBP") is not None


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ("products.insights", "products.insights"),
        ("products.crm.add_ons.data-vault", "products.crm.add_ons.data-vault.packages.standard"),
    ],
)
def test_what_a_live_subscription_uses_cannot_leave_the_file(
    session: Session, table: str, place: str
) -> None:
    before = stored_catalogue(session)
    with pytest.raises(CatalogueInUse) as refused:
        sync_catalogue(session, without(table), LATER)
    assert place in [thing.subject.place for thing in refused.value.things]
    assert {thing.why for thing in refused.value.things} == {"removed"}
    assert stored_catalogue(session) == before


def test_what_nobody_uses_may_leave_and_is_retired_not_deleted(session: Session) -> None:
    start = plan_row(session, "crm", "start")
    # Whoever tried it has gone: an ended subscription keeps no plan in the file.
    on_start = select(SubscriptionItem.subscription_id).where(SubscriptionItem.plan_id == start.id)
    session.execute(
        update(Subscription)
        .where(Subscription.id.in_(on_start))
        .values(status="ended", ended_on=NOW.date())
    )
    text = demo_catalogue_text()
    begin = text.index("[products.crm.plans.start]")
    text = text[:begin] + text[text.index("[products.crm.plans.pro]") :]
    for words in (
        "start = 2500, ", "start = 1, ", "start = 2, ", "start = true, ", "start = false, ",
        'start = "reports-standard", ', 'start = "support-email", ',
    ):  # fmt: skip
        text = text.replace(words, "")
    changes = sync_catalogue(session, parse_catalogue(text), LATER)
    assert changes.count("retired") == 1
    assert changes.count("price_retired") == 9
    session.refresh(start)
    assert start.retired_at == LATER
    assert not sync_catalogue(session, parse_catalogue(text), LATER)
    back = sync_catalogue(session, catalogue(), LATER + timedelta(hours=1))
    assert back.count("restored") == 1
    assert start.retired_at is None


def test_retired_true_retires_and_keeps_what_runs(session: Session) -> None:
    file = catalogue(("[products.sign]\n", "[products.sign]\nretired = true\n"))
    changes = sync_catalogue(session, file, LATER)
    assert {c.subject.place for c in changes.changes} == {
        "products.sign", "products.sign.plans.essential", "products.sign.plans.professional",
    }  # fmt: skip
    assert plan_row(session, "sign", "professional").retired_at == LATER


def test_a_pack_of_an_automatic_top_up_cannot_leave_the_file(session: Session) -> None:
    wallet = session.scalars(select(Wallet).limit(1)).one()
    wallet.auto_top_up, wallet.threshold = True, 50
    wallet.pack_key, wallet.monthly_cap_minor = "small", 20_000
    session.flush()
    with pytest.raises(CatalogueInUse) as refused:
        sync_catalogue(session, without("credit_packs.small"), LATER)
    assert refused.value.things[0].subject == Subject("credit_pack", ("small",))


def test_how_a_used_add_on_is_charged_cannot_change() -> None:
    vault = Subject("add_on", ("crm", "data-vault", "standard"))
    stored = StoredCatalogue({vault: Offer(1, False)}, {vault: 2})
    with pytest.raises(CatalogueInUse) as refused:
        plan_catalogue_sync({vault: Offer(1, True)}, stored)
    assert (refused.value.things[0].why, refused.value.things[0].by) == ("charge_changed", 2)
    free = StoredCatalogue({vault: Offer(1, False)}, {})
    assert plan_catalogue_sync({vault: Offer(1, True)}, free).changes[0].what == "changed"


def test_prices_of_every_subject_can_be_read(session: Session) -> None:
    connection = session.connection()
    beyond = session.scalars(select(AddOn).where(AddOn.package_key == "beyond")).one()
    found: list[Callable[[], object]] = [
        lambda: get_add_on_price(connection, beyond.id, "year", "EUR"),
        lambda: get_credit_pack_price(connection, "medium", "GBP"),
        lambda: get_service_package_price(connection, "together", "CHF"),
    ]
    assert [str(f().unit.minor) for f in found] == ["9600", "15500", "48000"]  # type: ignore[attr-defined]
    assert get_credit_pack_price(connection, "medium", "JPY") is None
    assert get_service_package_price(connection, "do-it-yourself", "EUR") is None
    prices = list_current_prices(connection, "EUR")
    assert len(prices) == len({p.id for p in prices}) > 30
