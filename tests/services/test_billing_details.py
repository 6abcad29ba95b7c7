"""Billing details: what changes, what stays as issued, and what is known of the VAT number (I4)."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.errors import Rejected
from portal.models import Account, AuditEvent, Invoice, Job
from portal.services.billing_details import (
    BillingDetails,
    check_recipients,
    details_of,
    save_billing_details,
)
from portal.services.vat_checking import CHECK_JOB
from tests.conftest import NOW
from tests.support.buying import ATELIER, BRIGHTWATER, LOTTE, MUELLER, account_named, actor_of

pytestmark = pytest.mark.usefixtures("app_context")


def present(account: str) -> BillingDetails:
    with transaction() as session:
        return details_of(account_named(session, account))


def save(account: str, details: BillingDetails) -> None:
    with transaction() as session:
        save_billing_details(
            session, account_named(session, account).id, details,
            actor=actor_of(session, LOTTE), now=NOW,
        )  # fmt: skip


def jobs(session: Session) -> list[Job]:
    return list(session.scalars(select(Job).where(Job.kind == CHECK_JOB)))


def events(session: Session) -> list[AuditEvent]:
    return list(
        session.scalars(
            select(AuditEvent).where(
                AuditEvent.at == NOW, AuditEvent.action == "billing_details_changed"
            )
        )
    )


def test_what_was_changed_is_recorded_with_its_old_value(books: Session) -> None:
    before = present(ATELIER)
    save(ATELIER, replace(before, billing_contact="An Declercq", purchase_order="PO 7",
                          invoice_recipients=("Two@x.example", "one@x.example", "one@x.example",
                                              before.billing_email)))  # fmt: skip
    account = account_named(books, ATELIER)
    assert account.billing_contact == "An Declercq"
    assert account.invoice_recipients == ["two@x.example", "one@x.example"]
    assert (account.vat_status, account.vat_checked_at is not None) == ("valid", True)
    [event] = events(books)
    assert event.old == {"billing_contact": "", "purchase_order": before.purchase_order,
                         "invoice_recipients": []}  # fmt: skip
    assert event.new["invoice_recipients"] == ["two@x.example", "one@x.example"]
    assert jobs(books) == []


def test_the_billing_contacts_own_address_is_left_out_however_it_is_written() -> None:
    for typed in ("Jan@Müller.example", "jan@xn--mller-kva.example"):
        assert check_recipients(["jan@müller.example", "a@b.example"], typed) == ("a@b.example",)


def test_saving_what_is_there_changes_and_records_nothing(books: Session) -> None:
    for name in (ATELIER, BRIGHTWATER):
        save(name, present(name))
    assert events(books) == []
    assert jobs(books) == []
    assert account_named(books, BRIGHTWATER).vat_status == "unchecked"


def test_I4_a_new_number_is_unchecked_and_a_job_asks_about_it(books: Session) -> None:
    save(MUELLER, replace(present(MUELLER), vat_number="136 695 976"))
    account = account_named(books, MUELLER)
    assert (account.vat_number, account.vat_status, account.vat_checked_at) == (
        "DE136695976", "unchecked", None,
    )  # fmt: skip
    [job] = jobs(books)
    assert job.payload == {"account_id": account.id, "number": "DE136695976"}


def test_I4_outside_the_eu_a_number_is_free_text_that_nobody_asks_about(books: Session) -> None:
    save(MUELLER, replace(present(MUELLER), country="CH", vat_number="CHE-123.456.788 MWST"))
    account = account_named(books, MUELLER)
    assert (account.vat_number, account.vat_status) == ("CHE-123.456.788 MWST", "none")
    assert jobs(books) == []


@pytest.mark.parametrize(
    ("changed", "field", "code"),
    [
        ({"vat_number": "DE123"}, "vat_number", "vat_number_malformed"),
        ({"country": "FR"}, "vat_number", "vat_number_other_country"),
        ({"country": "US", "vat_number": "x" * 21}, "vat_number", "vat_number_too_long"),
        ({"invoice_recipients": ("nobody",)}, "invoice_recipients", "recipient_malformed"),
        ({"invoice_recipients": tuple(f"p{n}@x.example" for n in range(11))},
         "invoice_recipients", "too_many_recipients"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_nothing_is_saved(
    books: Session, changed: dict[str, object], field: str, code: str
) -> None:
    before = present(MUELLER)
    details = BillingDetails(**{**asdict(before), "company_name": "Other", **changed})  # type: ignore[arg-type]
    with pytest.raises(Rejected) as rejected:
        save(MUELLER, details)
    assert [(p.field, p.code) for p in rejected.value.problems] == [(field, code)]
    assert present(MUELLER) == before


def test_ten_recipients_are_not_too_many() -> None:
    addresses = [f"p{n}@x.example" for n in range(10)]
    assert check_recipients([*addresses, "P0@x.example"], "b@x.example") == tuple(addresses)


def test_I2_issued_invoices_keep_their_buyer(books: Session) -> None:
    def frozen() -> list[dict[str, object]]:
        books.expire_all()
        account = account_named(books, ATELIER)
        query = select(Invoice).where(Invoice.account_id == account.id).order_by(Invoice.id)
        return [dict(invoice.buyer) for invoice in books.scalars(query)]

    before = frozen()
    assert before
    save(ATELIER, replace(present(ATELIER), company_name="Other", purchase_order="PO 9",
                          country="CH", vat_number=None))  # fmt: skip
    assert frozen() == before
    assert books.get_one(Account, account_named(books, ATELIER).id).company_name == "Other"
