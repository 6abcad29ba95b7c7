"""The provider refuses our own key: the vendor's fault, and none of its customers is a debtor (M5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.money import Money
from portal.models import DeskTask, Invoice, Job, OutboxMessage
from portal.parts import Parts
from portal.payments.demo_gateway import DemoGateway
from portal.payments.gateway import SETTINGS_REFUSALS, GatewayRefused
from portal.services.invoice_charges import pay_invoice
from tests.support.buying import ATELIER, CARD, LOTTE, NO_MONEY, actor_of, collected, use_method
from tests.support.dunning import (
    RENEWAL,
    attempts,
    case_of,
    charges_of,
    days_later,
    mails,
    payments,
    renewal_invoice,
    status_of,
    switch_method,
    unpaid_renewal,
    work,
)

pytestmark = pytest.mark.usefixtures("app_context", "agreeing_books")

HOURS = (1, 2, 8, 24, 50)


@pytest.fixture(params=sorted(SETTINGS_REFUSALS))
def refusing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every charge is refused for that reason until `monkeypatch.undo()`."""
    code = str(request.param)

    def refuse(*_what: object) -> None:
        raise GatewayRefused(code)

    for name in ("charge", "retry_charge"):
        monkeypatch.setattr(DemoGateway, name, refuse)
    return code


def tasks(books: Session, kind: str) -> list[DeskTask]:
    books.expire_all()
    return list(books.scalars(select(DeskTask).where(DeskTask.kind == kind)))


def test_M5_the_nights_renewals_wait_and_no_customer_hears_of_it(
    books: Session, parts: Parts, refusing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction() as own:
        use_method(own, ATELIER, CARD)
    work(parts, RENEWAL)
    invoice = renewal_invoice(books)
    for hours in HOURS:
        work(parts, RENEWAL + timedelta(hours=hours))
    assert attempts(books, invoice) == [("1", "unknown")]
    assert (status_of(books, invoice), payments(books, invoice)) == ("open", ["unresolved"])
    assert case_of(books, invoice) is None
    owed = select(func.count()).where(
        OutboxMessage.topic.like("owed_%"), OutboxMessage.account_id == invoice.account_id
    )
    assert books.scalar(owed) == 0
    (task,) = tasks(books, "payments_refused")  # one, whatever was due that night
    assert (task.account_id, task.details) == (None, {"code": refusing})
    assert tasks(books, "renewal_unpaid") == []
    settling = select(Job.status).where(Job.kind == "settle_attempt", Job.created_at >= RENEWAL)
    assert set(books.scalars(settling)) == {"done"}  # nor a task for each that was given up
    monkeypatch.undo()
    work(parts, RENEWAL + timedelta(hours=51))
    assert attempts(books, invoice) == [("1", "succeeded")]
    assert charges_of(books, invoice) == ["succeeded"]
    assert status_of(books, invoice) == "paid"
    assert mails(books, invoice) == []


def test_M5_a_retry_waits_as_well_and_its_case_stands_still(
    books: Session, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_what: object) -> None:
        raise GatewayRefused("gateway_key_refused")

    invoice = unpaid_renewal(parts, books, NO_MONEY)
    switch_method(CARD)
    told = mails(books, invoice)
    with monkeypatch.context() as patched:
        patched.setattr(DemoGateway, "retry_charge", refuse)
        for days in (2, 3, 7):
            work(parts, days_later(days))
        assert attempts(books, invoice) == [("1", "declined"), ("try:2", "unknown")]
        assert mails(books, invoice) == told
        assert len(tasks(books, "payments_refused")) == 1
    work(parts, days_later(8))
    assert attempts(books, invoice)[1] == ("try:2", "succeeded")
    assert status_of(books, invoice) == "paid"


def test_the_task_is_back_where_it_was_called_done_too_early(
    books: Session, parts: Parts, refusing: str
) -> None:
    with transaction() as own:
        use_method(own, ATELIER, CARD)
    work(parts, RENEWAL)
    with transaction() as own:
        own.execute(
            update(DeskTask).where(DeskTask.kind == "payments_refused").values(done_at=RENEWAL)
        )
    work(parts, RENEWAL + timedelta(hours=1))
    (task,) = tasks(books, "payments_refused")
    assert task.done_at is None


def test_M1_who_pays_on_screen_hears_it_at_once(
    books: Session, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = unpaid_renewal(parts, books, NO_MONEY)

    def refuse(*_what: object) -> None:
        raise GatewayRefused("gateway_key_refused")

    with transaction() as own:
        attempt_id = pay_invoice(
            own, invoice.account_id, invoice.number,
            shown=Money(invoice.gross_minor, invoice.currency), actor=actor_of(own, LOTTE),
            now=RENEWAL,
        )  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(DemoGateway, "retry_charge", refuse)
        assert collected(parts, attempt_id)
    assert attempts(books, invoice)[1] == ("try:2", "declined")
    assert books.get_one(Invoice, invoice.id).status == "open"
