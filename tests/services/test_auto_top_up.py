"""Automatic top-ups: one pack below the threshold, within the cap; paid, declined, pending, taken back (W2, W3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.amounts import parse_amount
from portal.domain.errors import DomainError, Rejected
from portal.domain.money import Money
from portal.domain.wallet import TopUpDecision, TopUpSettings
from portal.models import (
    Account,
    AuditEvent,
    CreditEntry,
    DeskTask,
    DunningCase,
    Invoice,
    InvoiceLine,
    Payment,
    PaymentMethod,
    Wallet,
)
from portal.parts import Parts
from portal.payments.gateway import ChargeOutcome, ChargeStatus
from portal.services.auto_top_up import set_auto_top_up, start_top_up, stop_auto_top_up
from portal.services.payment_settlement import settle_charge
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    CARD,
    DEBIT,
    DEBIT_FAILS,
    DEBIT_REVERSED,
    LOTTE,
    LUMIERE,
    NO_MONEY,
    PIETER,
    account_named,
    actor_of,
    charges,
    use_method,
)
from tests.support.dunning import new_method
from tests.support.ledger import the_books_agree
from tests.support.wallets import (
    SMALL_GROSS,
    TopUps,
    attempt_in,
    debit,
    fill,
    invoice_in,
    mails_of,
    switch_on,
    top_ups_in,
    top_ups_of,
    wallet_row,
    work_at,
)

pytestmark = pytest.mark.usefixtures("app_context")

LOST_CARD = "4000000000009987"
NOTHING = TopUps(balance=49, statuses=(), charged=0, invoiced=0, credited=0)
SOON = NOW + timedelta(minutes=1)


def low(parts: Parts, *, card: str | None = CARD, **chosen: int) -> int:
    """A wallet just below its threshold of 50, and its top-up was asked for; the account's id."""
    account_id = fill(50)
    switch_on(parts, card=card, **chosen)  # type: ignore[arg-type]
    debit(parts, account_id, key="low")
    return account_id


def codes(session: Session, account_id: int) -> list[str]:
    """What the activity page tells of top-ups."""
    query = select(AuditEvent.action).where(
        AuditEvent.account_id == account_id, AuditEvent.action.like("%top_up%")
    )
    return list(session.scalars(query.order_by(AuditEvent.id)))


def done(packs: int, *, status: str = "done", balance: int | None = None) -> TopUps:
    money, bought = SMALL_GROSS * packs, 500 * packs
    return TopUps(
        49 + bought if balance is None else balance, (status,) * packs, money, money, bought
    )


# --- paid ----------------------------------------------------------------------------------------


def test_W3_below_the_threshold_a_pack_is_bought_charged_and_invoiced(
    parts: Parts, books: Session
) -> None:
    account_id = low(parts)
    work_at(parts, SOON)
    assert top_ups_of(books, account_id) == done(1)
    (top_up,) = top_ups_in(books, account_id)
    invoice = invoice_in(books, account_id)
    assert (invoice.kind, invoice.status, invoice.paid_minor) == ("wallet", "paid", SMALL_GROSS)
    assert (invoice.net_minor, invoice.tax_minor) == (5_000, 1_050)
    line = books.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id)).one()
    assert (line.kind, line.description, line.net_minor) == ("credits", "500 credits", 5_000)
    attempt = attempt_in(books, account_id)
    assert (attempt.on_session, attempt.idempotency_key) == (False, f"pi:top-up-{top_up.id}:1")
    made = [
        one for one in charges(books) if one.data["reference"] == f"payment:{attempt.payment_id}"
    ]
    assert [one.data["amount_minor"] for one in made] == [SMALL_GROSS]
    receipts = mails_of(books, "top_up_done")
    account = books.get_one(Account, account_id)
    assert {address for address, _, _ in receipts} == {
        account.billing_email, *account.invoice_recipients,
    }  # fmt: skip
    assert receipts[0][2]["invoice_number"] == invoice.number
    assert receipts[0][2]["balance"] == 549
    assert codes(books, account_id)[-1] == "top_up_done"
    the_books_agree(parts)


def test_W3_at_the_threshold_nothing_is_bought(parts: Parts, books: Session) -> None:
    account_id = fill(51)
    switch_on(parts, card=CARD)
    debit(parts, account_id, key="k")
    work_at(parts, SOON)
    assert top_ups_of(books, account_id) == TopUps(50, (), 0, 0, 0)


def test_W3_switching_it_on_below_the_threshold_buys_at_once(parts: Parts, books: Session) -> None:
    account_id = fill(10)
    switch_on(parts, card=CARD)
    work_at(parts, SOON)
    assert top_ups_of(books, account_id) == done(1, balance=510)


def test_W3_a_debit_beyond_the_balance_buys_the_credits_it_needs(
    parts: Parts, books: Session
) -> None:
    account_id = fill(60)
    switch_on(parts, card=CARD)
    assert debit(parts, account_id, 300, key="k").missing == 240
    work_at(parts, SOON)
    assert debit(parts, account_id, 300, key="k").balance == 260
    assert top_ups_of(books, account_id) == done(1, balance=260)


def test_W3_one_pack_that_is_not_enough_is_followed_by_another(
    parts: Parts, books: Session
) -> None:
    account_id = fill(50)
    switch_on(parts, card=CARD, threshold=900)
    work_at(parts, SOON)
    assert top_ups_of(books, account_id) == done(2, balance=1_050)
    the_books_agree(parts)


def test_W3_one_is_open_at_a_time(parts: Parts, books: Session) -> None:
    account_id = low(parts)
    with transaction() as session:
        first = start_top_up(session, account_id, catalogue=parts.catalogue, now=NOW)
        second = start_top_up(session, account_id, needed=900, catalogue=parts.catalogue, now=NOW)
    assert (first, second) == (TopUpDecision.CHARGE, TopUpDecision.OPEN)
    assert top_ups_of(books, account_id).statuses == ("open",)


# --- the cap -------------------------------------------------------------------------------------


def test_W3_the_cap_of_a_month_holds_and_begins_anew(parts: Parts, books: Session) -> None:
    account_id = low(parts, cap=2 * SMALL_GROSS)
    work_at(parts, SOON)
    for number in (1, 2):
        debit(parts, account_id, 500, key=f"much{number}")
        work_at(parts, SOON + timedelta(minutes=20 * number))
    assert top_ups_of(books, account_id) == done(2, balance=49)
    told = mails_of(books, "low_balance")
    assert {payload["why"] for _, _, payload in told} == {"cap"}
    assert len({address for address, _, _ in told}) == len(told)
    # Brussels is an hour ahead of UTC by then: the local month counts, to the minute.
    month = datetime(2026, 10, 31, 23, 0, tzinfo=UTC)
    assert wallet_row(books, account_id).next_try_at == month
    work_at(parts, month - timedelta(minutes=1))
    assert len(top_ups_of(books, account_id).statuses) == 2
    work_at(parts, month + timedelta(minutes=20))
    assert top_ups_of(books, account_id) == done(3, balance=549)
    assert [each.month for each in top_ups_in(books, account_id)] == [
        date(2026, 10, 1), date(2026, 10, 1), date(2026, 11, 1),
    ]  # fmt: skip
    the_books_agree(parts)


def test_W3_a_higher_cap_counts_at_once(parts: Parts, books: Session) -> None:
    account_id = low(parts, cap=SMALL_GROSS)
    work_at(parts, SOON)
    debit(parts, account_id, 500, key="much")
    work_at(parts, SOON + timedelta(minutes=20))
    assert top_ups_of(books, account_id) == done(1, balance=49)
    switch_on(parts, cap=3 * SMALL_GROSS)
    work_at(parts, SOON + timedelta(minutes=21))
    assert top_ups_of(books, account_id) == done(2, balance=549)


# --- declined ------------------------------------------------------------------------------------


def test_W3_a_decline_waits_and_the_third_switches_it_off(parts: Parts, books: Session) -> None:
    account_id = low(parts, card=NO_MONEY)
    work_at(parts, SOON)
    wallet = wallet_row(books, account_id)
    assert top_ups_of(books, account_id) == TopUps(49, ("failed",), 0, 0, 0)
    assert (wallet.auto_top_up, wallet.declines) == (True, 1)
    assert wallet.next_try_at == SOON + timedelta(days=1)
    debit(parts, account_id, key="k1")  # nobody asks before that
    work_at(parts, SOON + timedelta(hours=23))
    assert len(top_ups_of(books, account_id).statuses) == 1
    work_at(parts, second := SOON + timedelta(days=1, minutes=20))
    assert wallet_row(books, account_id).next_try_at == second + timedelta(days=3)
    work_at(parts, second + timedelta(days=3, minutes=20))
    wallet = wallet_row(books, account_id)
    assert (wallet.auto_top_up, wallet.declines, wallet.next_try_at) == (False, 3, None)
    for days in (5, 10, 40):
        work_at(parts, second + timedelta(days=days))
        debit(parts, account_id, key=f"later{days}")
    assert top_ups_of(books, account_id).statuses == ("failed",) * 3
    assert codes(books, account_id)[1:] == ["top_up_failed"] * 3 + ["auto_top_up_ended"]
    told = mails_of(books, "top_up_failed")
    assert {address for address, _, _ in told} >= {LOTTE, PIETER}
    tries = [payload["retry_on"] for address, _, payload in told if address == LOTTE]
    assert tries == ["2026-10-30", "2026-11-02", ""]
    assert {payload["reason"] for _, _, payload in told} == {"insufficient_funds"}
    the_books_agree(parts)


def test_W3_a_success_forgets_the_declines(parts: Parts, books: Session) -> None:
    account_id = low(parts, card=NO_MONEY)
    work_at(parts, SOON)
    with transaction() as session:
        use_method(session, ATELIER, CARD)
    work_at(parts, SOON + timedelta(days=1, minutes=20))
    wallet = wallet_row(books, account_id)
    assert (wallet.declines, wallet.next_try_at, wallet.balance) == (0, None, 549)
    assert top_ups_of(books, account_id).statuses == ("failed", "done")
    the_books_agree(parts)


def test_W3_a_lost_card_switches_it_off_at_once(parts: Parts, books: Session) -> None:
    account_id = low(parts, card=LOST_CARD)
    work_at(parts, SOON)
    wallet = wallet_row(books, account_id)
    assert (wallet.auto_top_up, wallet.declines) == (False, 1)
    assert {payload["retry_on"] for _, _, payload in mails_of(books, "top_up_failed")} == {""}


def test_W3_a_new_card_is_tried_at_once(parts: Parts, books: Session) -> None:
    account_id = low(parts, card=NO_MONEY)
    work_at(parts, SOON)
    new_method(CARD)
    assert (wallet_row(books, account_id).declines, wallet_row(books, account_id).next_try_at) == (
        0, None,
    )  # fmt: skip
    work_at(parts, SOON + timedelta(minutes=2))
    assert top_ups_of(books, account_id).statuses == ("failed", "done")


def test_W3_a_new_card_does_not_lift_the_cap(parts: Parts, books: Session) -> None:
    account_id = low(parts, cap=SMALL_GROSS)
    work_at(parts, SOON)
    debit(parts, account_id, 500, key="much")
    work_at(parts, SOON + timedelta(minutes=20))
    new_method(CARD)
    work_at(parts, SOON + timedelta(minutes=40))
    assert top_ups_of(books, account_id) == done(1, balance=49)
    assert wallet_row(books, account_id).next_try_at is not None


def test_W3_a_declined_charge_is_cancelled_at_the_provider(parts: Parts, books: Session) -> None:
    """So that nobody confirms it later: the next try is a charge of its own."""
    account_id = low(parts, card=NO_MONEY)
    work_at(parts, SOON)
    work_at(parts, SOON + timedelta(minutes=1))
    attempt = attempt_in(books, account_id)
    charge = next(one for one in charges(books) if one.ref == attempt.gateway_ref)
    payment = books.get_one(Payment, attempt.payment_id)
    assert (charge.status, payment.status) == ("cancelled", "cancelled")


def test_M2_money_that_comes_after_all_buys_its_credits_once(parts: Parts, books: Session) -> None:
    account_id = low(parts, card=NO_MONEY)
    work_at(parts, SOON)
    attempt = attempt_in(books, account_id)
    came = ChargeOutcome(
        attempt.gateway_ref or "", ChargeStatus.SUCCEEDED, Money(SMALL_GROSS, "EUR")
    )
    for _ in range(2):
        with transaction() as session:
            settle_charge(session, attempt.id, came, catalogue=parts.catalogue, now=clock.now())
    assert top_ups_of(books, account_id) == done(1)
    assert top_ups_in(books, account_id)[0].failure_code is None


def test_our_own_fault_counts_for_nothing(parts: Parts, books: Session) -> None:
    account_id = low(parts)
    with transaction() as session:
        start_top_up(session, account_id, catalogue=parts.catalogue, now=NOW)
        attempt_id = attempt_in(session, account_id).id
    refused = ChargeOutcome("", ChargeStatus.DECLINED, Money(SMALL_GROSS, "EUR"),
                            decline_code="gateway_key_refused")  # fmt: skip
    with transaction() as session:
        settle_charge(session, attempt_id, refused, catalogue=parts.catalogue, now=NOW,
                      is_answer=True)  # fmt: skip
    wallet = wallet_row(books, account_id)
    assert (wallet.declines, wallet.auto_top_up) == (0, True)
    assert wallet.next_try_at == NOW + timedelta(days=1)
    assert mails_of(books, "top_up_failed") == []
    assert books.scalars(select(DeskTask.kind).where(DeskTask.kind == "top_up_refused")).one()


# --- direct debits -------------------------------------------------------------------------------


def test_Q3_an_accepted_debit_brings_the_credits_and_a_pending_invoice(
    parts: Parts, books: Session
) -> None:
    account_id = low(parts, card=DEBIT)
    work_at(parts, SOON)
    assert top_ups_of(books, account_id) == done(1)
    invoice = invoice_in(books, account_id)
    assert (invoice.status, invoice.paid_minor) == ("pending", 0)
    assert {payload["invoice_status"] for _, _, payload in mails_of(books, "top_up_done")} == {
        "pending"
    }
    the_books_agree(parts)
    for days in (3, 4):
        work_at(parts, SOON + timedelta(days=days))
    books.refresh(invoice)
    assert (invoice.status, invoice.paid_minor) == ("paid", SMALL_GROSS)
    assert top_ups_of(books, account_id) == done(1)  # settled: no credits a second time
    the_books_agree(parts)


@pytest.mark.parametrize(
    ("number", "days_it_takes"),
    [(DEBIT_FAILS, (0, 3, 4)), (DEBIT_REVERSED, (0, 3, 4, 18, 19))],  # taken back after seventeen
)
def test_M4_a_debit_that_fails_later_is_owed_and_nothing_more_is_bought(
    parts: Parts, books: Session, number: str, days_it_takes: tuple[int, ...]
) -> None:
    account_id = low(parts, card=number)
    for days in days_it_takes:
        work_at(parts, SOON + timedelta(days=days))
    invoice = invoice_in(books, account_id)
    assert (invoice.status, invoice.paid_minor) == ("open", 0)
    assert books.scalars(select(DunningCase).where(DunningCase.invoice_id == invoice.id)).one()
    debit(parts, account_id, 520, key="much")
    work_at(parts, clock.now() + timedelta(minutes=20))
    assert top_ups_of(books, account_id).statuses == ("done",)
    assert "owed" in {payload["why"] for _, _, payload in mails_of(books, "low_balance")}
    the_books_agree(parts)


# --- what keeps it from buying -------------------------------------------------------------------


def test_W3_without_a_method_nothing_is_bought_until_there_is_one(
    parts: Parts, books: Session
) -> None:
    account_id = low(parts)
    books.execute(
        update(PaymentMethod)
        .where(PaymentMethod.account_id == account_id)
        .values(expires_year=2026, expires_month=9)
    )
    work_at(parts, SOON)
    for number in range(3):
        debit(parts, account_id, key=f"k{number}")
    work_at(parts, SOON + timedelta(minutes=20))
    assert top_ups_of(books, account_id) == TopUps(46, (), 0, 0, 0)
    told = mails_of(books, "low_balance")
    assert {payload["why"] for _, _, payload in told} == {"no_method"}
    assert len({address for address, _, _ in told}) == len(told)  # once, not every quarter hour
    new_method(CARD)
    work_at(parts, SOON + timedelta(minutes=21))
    assert top_ups_of(books, account_id) == done(1, balance=546)


def test_W3_what_a_debit_lacks_is_bought_once_there_is_a_method(
    parts: Parts, books: Session
) -> None:
    """Above the threshold nothing else asks: the refusal of then must not be the last word."""
    account_id = fill(100)
    switch_on(parts, card=CARD)
    books.execute(
        update(PaymentMethod)
        .where(PaymentMethod.account_id == account_id)
        .values(expires_year=2026, expires_month=9)
    )
    assert not debit(parts, account_id, 200, key="much").is_accepted
    work_at(parts, SOON)
    assert top_ups_of(books, account_id).statuses == ()
    new_method(CARD)
    assert not debit(parts, account_id, 200, key="much").is_accepted
    work_at(parts, SOON + timedelta(minutes=1))
    assert top_ups_of(books, account_id) == done(1, balance=600)
    assert debit(parts, account_id, 200, key="much").is_accepted


def test_W3_what_a_debit_lacks_is_bought_once_the_vendor_sells_it_again(
    parts: Parts, books: Session
) -> None:
    account_id = fill(100)
    switch_on(parts, card=CARD)
    of_account = update(Wallet).where(Wallet.account_id == account_id)
    books.execute(of_account.values(pack_key="gone"))
    assert not debit(parts, account_id, 200, key="much").is_accepted
    work_at(parts, SOON)
    books.execute(of_account.values(pack_key="small"))
    work_at(parts, SOON + timedelta(minutes=20))
    assert not debit(parts, account_id, 200, key="much").is_accepted
    work_at(parts, SOON + timedelta(minutes=21))
    assert top_ups_of(books, account_id) == done(1, balance=600)


def test_W3_a_changed_threshold_is_watched_from_then_on(parts: Parts, books: Session) -> None:
    account_id = low(parts)
    books.execute(update(Wallet).where(Wallet.account_id == account_id).values(pack_key="gone"))
    work_at(parts, SOON)
    switch_on(parts, threshold=20)
    assert not wallet_row(books, account_id).top_up_asked
    debit(parts, account_id, 30, key="lower")
    work_at(parts, SOON + timedelta(seconds=1))
    assert top_ups_of(books, account_id) == done(1, balance=519)


def test_M5_nothing_is_bought_while_access_is_suspended(parts: Parts, books: Session) -> None:
    account_id = low(parts)
    invoice_id = books.scalars(select(Invoice.id).where(Invoice.account_id == account_id)).first()
    books.add(DunningCase(account_id=account_id, invoice_id=invoice_id, status="open", opened_at=NOW,
                          started_on=NOW.date(), step=0, suspends_on=NOW.date(), reason="",
                          suspended_at=NOW))  # fmt: skip
    books.commit()
    with transaction() as session:
        found = start_top_up(session, account_id, catalogue=parts.catalogue, now=NOW)
    assert found is TopUpDecision.SUSPENDED
    assert top_ups_of(books, account_id) == NOTHING


def test_a_pack_that_is_not_sold_any_more_is_not_bought(parts: Parts, books: Session) -> None:
    account_id = low(parts)
    books.execute(update(Wallet).where(Wallet.account_id == account_id).values(pack_key="gone"))
    work_at(parts, SOON)
    assert top_ups_of(books, account_id) == NOTHING
    assert {p["why"] for _, _, p in mails_of(books, "low_balance")} == {"not_sold"}


def test_W3_credits_bought_meanwhile_end_the_wish(parts: Parts, books: Session) -> None:
    account_id = low(parts)
    fill(400)
    work_at(parts, SOON)
    assert top_ups_of(books, account_id) == TopUps(400, (), 0, 0, 0)


# --- the customer's choice -----------------------------------------------------------------------


def choose(parts: Parts, books: Session, account: str = ATELIER, **chosen: object) -> None:
    settings = {"threshold": 50, "pack_key": "small", "cap": Money(20_000, "EUR"), **chosen}
    with transaction() as session:
        set_auto_top_up(
            session, account_named(books, account).id, TopUpSettings(**settings),  # type: ignore[arg-type]
            catalogue=parts.catalogue, actor=actor_of(session, LOTTE), now=NOW,
        )  # fmt: skip


def test_W3_what_was_chosen_is_kept_and_told(parts: Parts, books: Session) -> None:
    account_id = fill(500)
    choose(parts, books)
    choose(parts, books)  # the same again is no news
    choose(parts, books, cap=Money(30_000, "EUR"))
    assert codes(books, account_id) == ["auto_top_up_set"] * 2
    event = books.scalars(
        select(AuditEvent)
        .where(AuditEvent.action == "auto_top_up_set")
        .order_by(AuditEvent.id.desc())
    ).first()
    assert event is not None
    assert event.old is not None
    assert event.new is not None
    assert (event.old["cap_minor"], event.new["cap_minor"]) == (20_000, 30_000)
    assert event.new["pack_credits"] == 500
    with transaction() as session:
        actor = actor_of(session, LOTTE)
        assert stop_auto_top_up(session, account_id, actor=actor, now=NOW)
        assert not stop_auto_top_up(session, account_id, actor=actor, now=NOW)
    wallet = wallet_row(books, account_id)
    assert (wallet.auto_top_up, wallet.threshold, wallet.pack_key) == (False, 50, "small")
    debit(parts, account_id, 480, key="k")
    work_at(parts, SOON)
    assert top_ups_of(books, account_id).statuses == ()


def test_W3_the_highest_cap_that_can_be_typed_is_kept(parts: Parts, books: Session) -> None:
    account_id = fill(500)
    cap = parse_amount("999999999999", "EUR")
    choose(parts, books, cap=cap)
    assert wallet_row(books, account_id).monthly_cap_minor == cap.minor


def test_W3_switching_it_on_again_forgets_what_was_declined(parts: Parts, books: Session) -> None:
    account_id = low(parts, card=LOST_CARD)
    work_at(parts, SOON)
    switch_on(parts, card=CARD)
    work_at(parts, SOON + timedelta(minutes=1))
    assert top_ups_of(books, account_id).statuses == ("failed", "done")
    assert wallet_row(books, account_id).declines == 0


def test_W3_what_cannot_work_is_refused(parts: Parts, books: Session) -> None:
    fill(500)
    with pytest.raises(Rejected) as refused:
        choose(parts, books, threshold=0, cap=Money(SMALL_GROSS - 1, "EUR"))
    assert [each.code for each in refused.value.problems] == ["threshold_range", "cap_below_pack"]
    with pytest.raises(Rejected) as refused:
        choose(parts, books, pack_key="gone")
    assert [each.code for each in refused.value.problems] == ["pack_unknown"]
    with pytest.raises(DomainError, match="bank_transfer"):
        choose(parts, books, LUMIERE)
    books.execute(update(PaymentMethod).values(removed_at=NOW))
    with pytest.raises(DomainError, match="method_missing"):
        choose(parts, books)


def test_W2_a_top_up_is_never_without_its_entry_and_invoice(parts: Parts, books: Session) -> None:
    account_id = low(parts)
    work_at(parts, SOON)
    (top_up,) = top_ups_in(books, account_id)
    entry = books.scalars(select(CreditEntry).where(CreditEntry.top_up_id == top_up.id)).one()
    assert (entry.change, entry.balance_after, entry.reason) == (500, 549, "top_up")
    assert top_up.settled_at == SOON
    assert top_up.buyer["company_name"] == books.get_one(Account, account_id).company_name
