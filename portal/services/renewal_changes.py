"""Applying the changes that waited for a renewal: items, the seat ledger, who holds what (C2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, update
from sqlalchemy.orm import Session

from portal.db import among
from portal.domain.subscriptions import ChangeKind, ItemState
from portal.models import Assignment, ScheduledChange, SeatEntry, SubscriptionItem
from portal.services.bulk_rows import insert_rows, update_rows
from portal.services.renewal_loading import CatalogueIds, load_catalogue_ids
from portal.services.renewal_planning import Step

__all__ = ["apply_changes"]

_ITEMS: Table = SubscriptionItem.__table__
_ENTRIES: Table = SeatEntry.__table__
_CHANGES: Table = ScheduledChange.__table__
_ASSIGNMENTS: Table = Assignment.__table__

_ITEM = ("plan_id", "add_on_id", "quantity", "price_id")
_ENTRY = ("item_id", "at", "effective_on", "change", "quantity_after", "reason",
          "scheduled_change_id")  # fmt: skip


def apply_changes(session: Session, steps: Iterable[Step], now: datetime) -> None:
    """What the entered periods bring; a subscription to which nothing waited has nothing here."""
    changing = [step for step in steps if step.plan.applied or step.plan.ends]
    if not changing:
        return
    ids = load_catalogue_ids(session)
    items: list[tuple[Any, ...]] = []
    removed: list[tuple[Any, ...]] = []
    entries: list[tuple[Any, ...]] = []
    for step in changing:
        if step.plan.ends:
            continue  # an ended subscription keeps what it had, to be read
        entries += _entries(step, now)
        removed += [(item_id, 0, now) for item_id in step.plan.removed]
        product = step.plan.after.product_key
        before = {item.item_id: item for item in step.renewing.state.items}
        items += [
            _item_row(item, product, ids)
            for item in step.plan.after.items
            if _is_changed(before[item.item_id], item)
        ]
    connection = session.connection()
    update_rows(connection, _ITEMS, _ITEM, items)
    update_rows(connection, _ITEMS, ("quantity", "removed_at"), removed)
    insert_rows(connection, _ENTRIES, _ENTRY, entries)
    _settle(session, changing, now)
    ended = [key for step in changing if step.plan.ends for key in step.plan.removed]
    gone = [key for step in changing if not step.plan.ends for key in step.plan.removed]
    # Nobody is deactivated: who loses an add-on, or all of a product, is still a member.
    _free(session, ended, "ended", now)
    _free(session, gone, "removal", now)


def _is_changed(before: ItemState, after: ItemState) -> bool:
    return (before.quantity, before.plan_key, before.package_key, before.price_id) != (
        after.quantity, after.plan_key, after.package_key, after.price_id
    )  # fmt: skip


def _item_row(item: ItemState, product: str, ids: CatalogueIds) -> tuple[Any, ...]:
    plan_id = add_on_id = None
    if item.plan_key is not None:
        plan_id = ids.plans[product, item.plan_key]
    if item.add_on_key is not None:
        add_on_id = ids.add_ons[product, item.add_on_key, item.package_key or ""]
    return item.item_id, plan_id, add_on_id, item.quantity, item.price_id


def _entries(step: Step, now: datetime) -> list[tuple[Any, ...]]:
    """The seat ledger: one row a reduction, and the rest of an item that is removed."""
    rows: list[tuple[Any, ...]] = []
    gone = set(step.plan.removed)
    for item in step.renewing.state.items:
        mine = [change for change in step.plan.applied if change.item_id == item.item_id]
        left = item.quantity
        if item.item_id in gone:
            by = next(c.id for c in reversed(mine) if c.kind is ChangeKind.ADD_ON)
            if left:
                rows.append((item.item_id, now, step.plan.on, -left, 0, "removal", by))
            continue
        for change in mine:
            if change.kind is ChangeKind.SEATS:
                fewer = min(-(change.delta or 0), left)
                left -= fewer
                if fewer:
                    rows.append((item.item_id, now, step.plan.on, -fewer, left, "reduction",
                                 change.id))  # fmt: skip
    return rows


def _settle(session: Session, steps: Sequence[Step], now: datetime) -> None:
    applied = [change.id for step in steps for change in step.plan.applied]
    void = [change.id for step in steps for change in step.plan.void]
    for ids, status in ((applied, "applied"), (void, "replaced")):
        if ids:
            session.execute(
                update(_CHANGES)
                .where(among(_CHANGES.c.id, ids=ids))
                .values(status=status, settled_at=now)
            )


def _free(session: Session, item_ids: Sequence[int], because: str, now: datetime) -> None:
    if item_ids:
        held: ColumnElement[bool] = _ASSIGNMENTS.c.freed_at.is_(None)
        session.execute(
            update(_ASSIGNMENTS)
            .where(among(_ASSIGNMENTS.c.item_id, ids=item_ids), held)
            .values(freed_at=now, freed_because=because)
        )
