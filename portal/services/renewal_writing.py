"""Writing the steps of a batch: few statements, however many subscriptions (rule 10 of the road).

The numbers are taken last: the series' row is locked until the commit, and other workers wait
for it (I2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Table, delete, update
from sqlalchemy.orm import Session

from portal.db import among
from portal.domain.catalogue import Catalogue
from portal.models import BillingPeriod, Subscription, Term
from portal.services.bulk_rows import insert_rows, take_ids, update_rows
from portal.services.dunning_ending import close_ended_cases, credit_ahead
from portal.services.entitlements import announce
from portal.services.outbox import open_desk_task
from portal.services.renewal_changes import apply_changes
from portal.services.renewal_events import write_events
from portal.services.renewal_invoicing import Issued, issue_invoices
from portal.services.renewal_planning import Step
from portal.services.transfer_lapsing import lapse_unpaid_orders

__all__ = ["write_steps"]

_TERMS: Table = Term.__table__
_PERIODS: Table = BillingPeriod.__table__
_SUBSCRIPTIONS: Table = Subscription.__table__

_TERM = ("id", "subscription_id", "number", "interval", "first_year", "first_month")
_PERIOD = ("subscription_id", "term_id", "number", "starts_on", "ends_on", "is_current",
           "renewal_invoice_id", "opened_at")  # fmt: skip


def write_steps(
    session: Session, steps: Sequence[Step], *, catalogue: Catalogue, now: datetime
) -> None:
    """Do what was planned; the accounts are locked, and whoever calls commits."""
    if not steps:
        return
    terms = _open_terms(session, steps)
    unpaid = [step for step in steps if step.renewing.state.status == "suspended"]
    ahead = [x.renewing.following.id for x in unpaid if x.renewing.following is not None]
    credit_ahead(session, ahead, catalogue=catalogue, now=now)
    lapse_unpaid_orders(
        session,
        {x.subscription_id: (x.payer.id, x.plan.on) for x in steps
         if x.enters and x.payer.by_transfer},
        catalogue=catalogue, now=now,
    )  # fmt: skip
    _close(session, steps, now)
    apply_changes(session, [step for step in steps if step.enters], now)
    _keep_overhang(session, steps)
    announce(session, [x.announcement for x in steps if x.announcement is not None], now)
    _tell_desk(session, steps, now)
    issued = issue_invoices(session, steps, catalogue=catalogue, now=now)
    _open(session, steps, terms, issued, now)
    write_events(session, steps, issued, now)
    close_ended_cases(session, {x.payer.id for x in steps if x.plan.ends}, now=now)


def _open_terms(session: Session, steps: Iterable[Step]) -> dict[int, int]:
    """The term of each step's next period, by subscription; a new row where the interval changed."""
    terms: dict[int, int] = {}
    opening = []
    for step in steps:
        following = step.renewing.following
        terms[step.subscription_id] = step.renewing.term_id
        if step.plan.new_term and (following is None or following.term_id == step.renewing.term_id):
            opening.append(step)
        elif step.plan.new_term and following is not None:
            terms[step.subscription_id] = following.term_id
    connection = session.connection()
    rows = []
    for step, term_id in zip(opening, take_ids(connection, _TERMS, len(opening)), strict=True):
        term = step.plan.after.term
        assert term is not None, "a new term is opened with a new period"
        terms[step.subscription_id] = term_id
        rows.append((term_id, step.subscription_id, step.renewing.terms + 1, term.interval.value,
                     term.first_year, term.first_month))  # fmt: skip
    insert_rows(connection, _TERMS, _TERM, rows)
    return terms


def _close(session: Session, steps: Iterable[Step], now: datetime) -> None:
    """The old periods end before the new ones begin: never two are current (P2)."""
    entering = [step for step in steps if step.enters]
    if not entering:
        return
    session.execute(
        update(_PERIODS)
        .where(among(_PERIODS.c.id, ids=[step.renewing.period_id for step in entering]))
        .values(is_current=False, closed_at=now)
    )
    ending = [step for step in entering if step.plan.ends]
    if ending:
        update_rows(
            session.connection(), _SUBSCRIPTIONS, ("status", "ended_on"),
            [(step.subscription_id, "ended", step.plan.on) for step in ending],
        )  # fmt: skip
    void = [x.renewing.following.id for x in ending if x.renewing.following is not None]
    if void:  # invoiced ahead, and it never comes: the desk corrects the invoice
        session.execute(delete(_PERIODS).where(among(_PERIODS.c.id, ids=void)))


def _open(
    session: Session,
    steps: Iterable[Step],
    terms: dict[int, int],
    issued: dict[int, Issued],
    now: datetime,
) -> None:
    """Write the next periods with their one invoice each, or enter those written ahead (I3)."""
    rows = []
    entered = []
    corrected = []
    for step in steps:
        if step.plan.ends:
            continue
        after, key = step.plan.after, step.subscription_id
        assert after.period is not None
        if step.opens:
            invoice = issued.get(key)
            rows.append((key, terms[key], after.number, after.period.start, after.period.end,
                         step.enters, invoice.id if invoice else None, now))  # fmt: skip
            continue
        following = step.renewing.following
        assert following is not None
        entered.append(following.id)
        if following.ends_on != after.period.end or following.term_id != terms[key]:
            corrected.append((following.id, terms[key], after.number, after.period.end))
    update_rows(session.connection(), _PERIODS, ("term_id", "number", "ends_on"), corrected)
    if entered:
        session.execute(
            update(_PERIODS).where(among(_PERIODS.c.id, ids=entered)).values(is_current=True)
        )
    insert_rows(session.connection(), _PERIODS, _PERIOD, rows)


def _keep_overhang(session: Session, steps: Iterable[Step]) -> None:
    changed = [
        (step.subscription_id, step.overhang)
        for step in steps
        if step.overhang != step.renewing.state.overhang
    ]
    update_rows(session.connection(), _SUBSCRIPTIONS, ("overhang",), changed)


def _tell_desk(session: Session, steps: Iterable[Step], now: datetime) -> None:
    for step in steps:
        following = step.renewing.following
        if step.differs and following is not None:
            open_desk_task(session, "renewal_differs", account_id=step.payer.id, now=now,
                           dedupe_key=f"renewal_differs:{following.id}",
                           details={"subscription_id": step.subscription_id,
                                    "invoice": following.invoice_number or ""})  # fmt: skip
    session.flush()
