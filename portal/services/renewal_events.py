"""What renewals leave for people to read: the activity page's events and the invoice's e-mail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Session

from portal.domain.payment_references import display_reference
from portal.domain.periods import Period
from portal.domain.subscriptions import ItemState
from portal.models import AuditEvent, OutboxMessage
from portal.services.audit import SYSTEM
from portal.services.bulk_rows import as_json, insert_rows
from portal.services.renewal_invoicing import Issued
from portal.services.renewal_planning import Step

__all__ = ["write_events"]

_EVENTS: Table = AuditEvent.__table__
_MESSAGES: Table = OutboxMessage.__table__

_EVENT = ("account_id", "at", "actor_kind", "actor_name", "action", "subject", "old", "new")
_MESSAGE = ("account_id", "kind", "topic", "recipient", "locale", "payload", "dedupe_key",
            "status", "created_at", "available_at", "attempts", "fence", "last_error")  # fmt: skip

# An action, its subject, the old and the new values as JSON.
_Told = tuple[str, str, str | None, str | None]


def write_events(
    session: Session, steps: Sequence[Step], issued: Mapping[int, Issued], now: datetime
) -> None:
    """One event for each thing that happened, and an e-mail to each recipient of an invoice."""
    connection = session.connection()
    insert_rows(connection, _EVENTS, _EVENT, (
        (step.payer.id, now, SYSTEM.kind, SYSTEM.name, *told)
        for step in steps
        for told in _told(step, issued.get(step.subscription_id))
    ))  # fmt: skip
    insert_rows(connection, _MESSAGES, _MESSAGE, (
        mail
        for step in steps
        if step.subscription_id in issued
        for mail in _mails(step, issued[step.subscription_id], now)
    ))  # fmt: skip


def _told(step: Step, invoice: Issued | None) -> Iterator[_Told]:
    if invoice is not None:
        gross, currency = invoice.draft.gross_minor, step.payer.buyer.currency
        amount = f'{{"gross_minor": {gross}, "currency": "{currency}"}}'
        yield "invoice_issued", invoice.number, None, amount
        if invoice.used_minor:
            used = as_json({"amount_minor": invoice.used_minor, "currency": currency})
            yield "balance_used", invoice.number, None, used
    if step.enters:
        yield from _entered(step)


def _mails(step: Step, invoice: Issued, now: datetime) -> Iterator[tuple[Any, ...]]:
    payer = step.payer
    from_balance = {"balance_minor": invoice.used_minor} if invoice.used_minor else {}
    payload = as_json(
        {
            "account_name": payer.name,
            "invoice_id": invoice.id,
            "invoice_number": invoice.number,
            "currency": payer.buyer.currency,
            "gross_minor": invoice.draft.gross_minor,
            "due_on": invoice.due_on.isoformat(),
            "will_be_collected": invoice.collected,
            "reference": display_reference(invoice.reference),
            **from_balance,
            **({"left_open": True} if invoice.left_open else {}),
        }
    )
    for address in dict.fromkeys((payer.buyer.billing_email, *payer.recipients)):
        yield (
            payer.id, "mail", "renewal_invoice", address, payer.buyer.locale, payload,
            f"renewal_invoice:{invoice.id}:{address}", "waiting", now, now, 0, 0, "",
        )  # fmt: skip


def _entered(step: Step) -> Iterator[_Told]:
    before, plan = step.renewing.state, step.plan
    assert before.period is not None
    product = before.product_key
    if plan.ends:
        yield "subscription_ended", product, None, as_json({"effective_on": plan.on.isoformat()})
        return
    assert plan.after.period is not None
    yield "subscription_renewed", product, _period(before.period), _period(plan.after.period)
    if not plan.applied:
        return
    if plan.new_term and before.interval is not None and plan.after.interval is not None:
        yield (
            "period_changed", product, as_json({"interval": before.interval.value}),
            as_json({"interval": plan.after.interval.value}),
        )  # fmt: skip
    after = {item.item_id: item for item in plan.after.items}
    for item in before.items:
        yield from _changed(product, item, after.get(item.item_id))


@lru_cache(maxsize=1024)
def _period(period: Period) -> str:
    return as_json({"period": [period.start.isoformat(), period.end.isoformat()]})


def _changed(product: str, before: ItemState, after: ItemState | None) -> Iterator[_Told]:
    key = {"item_id": before.item_id}
    if after is None:
        changes: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
            ("add_on_removed", {**key, "seats": before.quantity}, {**key, "seats": 0})
        ]
    else:
        changes = [
            (action, {**key, field: old}, {**key, field: new})
            for action, field, old, new in (
                ("plan_changed", "plan", before.plan_key, after.plan_key),
                ("add_on_changed", "package", before.package_key, after.package_key),
                ("seats_removed", "seats", before.quantity, after.quantity),
            )
            if old != new
        ]
    for action, old, new in changes:
        yield action, product, as_json(old), as_json(new)
