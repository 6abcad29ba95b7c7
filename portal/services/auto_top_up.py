"""Automatic top-ups: choosing them, and buying a pack where credits run out (W3).

A top-up is stored with all that its invoice will say before anything is charged; the charge is an
attempt like any other, off session (M1), and its outcome comes to `top_up_settlement`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, text
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.credit_use import month_begins
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.periods import local_date
from portal.domain.pricing import decide_vendor_tax, document_totals
from portal.domain.tax import TaxDecision, Totals
from portal.domain.wallet import (
    TopUpDecision,
    TopUpSettings,
    TopUpState,
    check_top_up_settings,
    first_of_month,
    first_of_next_month,
    plan_top_up,
)
from portal.models import Account, Invoice, TopUp, Wallet
from portal.queries.prices import get_credit_pack_price
from portal.queries.quotes import AccountBuying, get_account_buying
from portal.services.attempts import reserve_attempt
from portal.services.audit import Actor, record
from portal.services.invoice_charges import default_method
from portal.services.locks import lock_account
from portal.services.outbox import enqueue_job
from portal.services.snapshots import buyer_snapshot, tax_snapshot
from portal.services.suspension import require_access
from portal.services.wallet_entries import wallet_of
from portal.services.wallet_mails import tell_of_low_balance

__all__ = [
    "PricedPack", "ask_top_up", "list_wanting", "price_pack", "retry_with_new_method",
    "set_auto_top_up", "start_top_up", "stop_auto_top_up",
]  # fmt: skip

_TOLD = frozenset({TopUpDecision.CAP, TopUpDecision.NO_METHOD, TopUpDecision.NOT_SOLD,
                   TopUpDecision.OWED, TopUpDecision.SUSPENDED})  # fmt: skip
"""Why nothing is bought although it was wanted: the customer has to know."""


@dataclass(frozen=True, slots=True)
class PricedPack:
    """A pack as an account buys it today, with its VAT (I4)."""

    pack_key: str
    credits: int
    tax: TaxDecision
    totals: Totals


def price_pack(
    connection: Connection, buyer: AccountBuying, pack_key: str, catalogue: Catalogue
) -> PricedPack | None:
    """What a pack costs the account now; None where it is not sold to it (any more)."""
    pack = next((p for p in catalogue.offered_credit_packs if p.key == pack_key), None)
    price = get_credit_pack_price(connection, pack_key, buyer.currency)
    if pack is None or price is None:
        return None
    tax = decide_vendor_tax(catalogue.vendor, buyer.country, buyer.vat_number, buyer.vat_status)
    totals = document_totals([price.unit], tax.rate, buyer.currency)
    return PricedPack(pack_key, pack.credits, tax, totals)


# --- the customer's choice ---------------------------------------------------------------------


def set_auto_top_up(
    session: Session,
    account_id: int,
    settings: TopUpSettings,
    *,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> None:
    """Switch it on, or change it; what an earlier decline left behind is forgotten.

    Where the balance is below the threshold already, a pack is bought at once. Rejected as
    `check_top_up_settings`; DomainError `bank_transfer`, `method_missing`, `account_suspended`.
    """
    account = lock_account(session, account_id)
    require_access(session, account_id)
    if account.payment_terms != "automatic":
        raise DomainError("bank_transfer")
    connection = session.connection()
    pack = price_pack(
        connection, get_account_buying(connection, account_id), settings.pack_key, catalogue
    )
    check_top_up_settings(settings, pack.totals.gross if pack is not None else None)
    if default_method(session, account, now) is None:
        raise DomainError("method_missing")
    wallet = wallet_of(session, account_id)
    old = _settings_of(wallet, catalogue)
    wallet.auto_top_up = True
    wallet.threshold, wallet.pack_key = settings.threshold, settings.pack_key
    wallet.monthly_cap_minor = settings.cap.minor
    wallet.declines, wallet.next_try_at = 0, None
    wallet.top_up_asked = False  # what kept it from buying may have been what was chosen
    new = _settings_of(wallet, catalogue)
    if new != old:
        record(session, "auto_top_up_set", actor=actor, now=now, account_id=account_id, old=old,
               new={**new, "currency": account.currency})  # fmt: skip
    if wallet.balance < settings.threshold:
        ask_top_up(session, wallet, now)
    session.flush()


def stop_auto_top_up(session: Session, account_id: int, *, actor: Actor, now: datetime) -> bool:
    """Switch it off; False where it is off. A top-up that is under way is still finished."""
    lock_account(session, account_id)
    wallet = wallet_of(session, account_id)
    if not wallet.auto_top_up:
        return False
    wallet.auto_top_up = False
    wallet.declines, wallet.next_try_at = 0, None  # it is off by choice, and not after its declines
    record(session, "auto_top_up_stopped", actor=actor, now=now, account_id=account_id)
    session.flush()
    return True


def retry_with_new_method(session: Session, account_id: int, now: datetime) -> None:
    """Another method was saved: what was declined with the old one is tried at once (M5).

    One that was switched off after its declines stays off. The account is locked.
    """
    on = select(Wallet.id).where(Wallet.account_id == account_id, Wallet.auto_top_up)
    if session.scalar(on) is None:
        return
    wallet = wallet_of(session, account_id)
    wallet.top_up_asked = False
    if wallet.declines:
        wallet.declines, wallet.next_try_at = 0, None
    if wallet.balance < (wallet.threshold or 0):
        ask_top_up(session, wallet, now)


def _settings_of(wallet: Wallet, catalogue: Catalogue) -> dict[str, Any]:
    """What was chosen, as the activity page tells it."""
    packs = {pack.key: pack.credits for pack in catalogue.credit_packs}
    return {"auto_top_up": wallet.auto_top_up, "threshold": wallet.threshold,
            "pack_credits": packs.get(wallet.pack_key or ""), "cap_minor": wallet.monthly_cap_minor}  # fmt: skip


def ask_top_up(session: Session, wallet: Wallet, now: datetime) -> None:
    """Have a job look after the wallet; the wallet is locked by the caller."""
    wallet.top_up_asked = True
    enqueue_job(session, "auto_top_up", {"account_id": wallet.account_id, "needed": 0},
                run_at=now, now=now)  # fmt: skip


# --- buying a pack -----------------------------------------------------------------------------


def start_top_up(
    session: Session, account_id: int, *, needed: int = 0, catalogue: Catalogue, now: datetime
) -> TopUpDecision:
    """Buy one pack where it is wanted and allowed: store it and reserve its charge (M1).

    `needed` credits were asked for and not there. Whatever else was decided is the answer; where
    only the customer can help, it is told.
    """
    account = lock_account(session, account_id)
    wallet = wallet_of(session, account_id)
    today = local_date(now, account.time_zone)
    buyer = get_account_buying(session.connection(), account_id)
    pack = price_pack(session.connection(), buyer, wallet.pack_key or "", catalogue)
    method = default_method(session, account, now)
    state = _state(session, account, wallet, pack, method is not None, today)
    decision = plan_top_up(state, now, needed=needed)
    # What time or a step of the customer brings is found by the periodic look, not by each debit.
    wallet.top_up_asked = decision not in (
        TopUpDecision.OFF, TopUpDecision.ENOUGH, TopUpDecision.WAITS, TopUpDecision.CAP,
    )  # fmt: skip
    if decision is TopUpDecision.CHARGE:
        assert pack is not None and method is not None, "the plan asked for both"
        top_up = _store(session, wallet, pack, buyer, today, now)
        reserve_attempt(
            session, account_id=account_id, top_up_id=top_up.id, method=method,
            amount_minor=top_up.amount_minor, currency=top_up.currency,
            key=f"pi:top-up-{top_up.id}:1", now=now, after=timedelta(),
        )  # fmt: skip
    elif decision is TopUpDecision.CAP:
        wallet.next_try_at = month_begins(first_of_next_month(today), account.time_zone)
    if decision in _TOLD:
        tell_of_low_balance(session, account_id, wallet.id, wallet.balance, decision.value, now)
    session.flush()
    return decision


def list_wanting(
    connection: Connection, *, now: datetime, after: int, limit: int
) -> Sequence[tuple[int, int]]:
    """Wallets with ids above `after` that may want a top-up now: (wallet, account).

    Also those of which a job was asked for and bought nothing: a debit that lacks credits though the
    balance is not low asks anew once they were looked at.
    """
    under_way = select(TopUp.id).where(TopUp.wallet_id == Wallet.id, TopUp.status == "open")
    rows = connection.execute(
        select(Wallet.id, Wallet.account_id)
        .where(
            # Written out, so that SQLite sees that the partial index holds it.
            text("wallet.auto_top_up"),
            Wallet.id > after,
            or_(Wallet.balance < Wallet.threshold, Wallet.top_up_asked),
            or_(Wallet.next_try_at.is_(None), Wallet.next_try_at <= now),
            ~under_way.exists(),
        )
        .order_by(Wallet.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def _state(
    session: Session,
    account: Account,
    wallet: Wallet,
    pack: PricedPack | None,
    has_method: bool,
    today: date,
) -> TopUpState:
    session.flush()
    spent, under_way = session.execute(
        select(
            func.coalesce(func.sum(TopUp.amount_minor).filter(
                TopUp.month == first_of_month(today), TopUp.status != "failed"), 0),
            func.count().filter(TopUp.status == "open"),
        ).where(TopUp.wallet_id == wallet.id)
    ).one()  # fmt: skip
    owed = session.scalars(
        select(TopUp.id)
        .join(Invoice, Invoice.id == TopUp.invoice_id)
        .where(TopUp.wallet_id == wallet.id, Invoice.status == "open")
        .limit(1)
    ).first()
    try:
        require_access(session, account.id)
        is_suspended = False
    except DomainError:
        is_suspended = True
    cap = wallet.monthly_cap_minor
    return TopUpState(
        balance=wallet.balance,
        on=wallet.auto_top_up,
        threshold=wallet.threshold,
        price=pack.totals.gross if pack is not None else None,
        cap=Money(cap, account.currency) if cap is not None else None,
        spent=Money(int(spent), account.currency),
        is_open=under_way > 0,
        is_owed=owed is not None,
        is_suspended=is_suspended,
        has_method=has_method,
        next_try_at=wallet.next_try_at,
    )


def _store(
    session: Session,
    wallet: Wallet,
    pack: PricedPack,
    buyer: AccountBuying,
    today: date,
    now: datetime,
) -> TopUp:
    totals = pack.totals
    top_up = TopUp(
        wallet_id=wallet.id,
        pack_key=pack.pack_key,
        credits=pack.credits,
        net_minor=totals.net.minor,
        tax_minor=totals.tax.minor,
        amount_minor=totals.gross.minor,
        currency=totals.gross.currency,
        tax=tax_snapshot(pack.tax, totals),
        buyer=buyer_snapshot(buyer),
        month=first_of_month(today),
        status="open",
        created_at=now,
    )
    session.add(top_up)
    session.flush()
    return top_up
