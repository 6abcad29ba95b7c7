"""The payment step: contact, method and address, kept; nothing created before the order (Q5, I4)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.errors import DomainError, Rejected
from portal.models import Account, AuditEvent, Checkout, Invoice, Member, PaymentMethod, Person
from portal.parts import Parts
from portal.services.checkout import (
    BillingAddress,
    Contact,
    save_billing_address,
    save_choice,
    save_contact,
)
from tests.conftest import NOW
from tests.support.buying import (
    AN,
    ATELIER,
    GIULIA,
    JONAS,
    KAREL,
    LOTTE,
    OFFICINE,
    PIETER,
    account_named,
    actor_of,
    member_of,
    quoted,
    row_counts,
)

pytestmark = pytest.mark.usefixtures("app_context")

ADDRESS = BillingAddress(
    company_name=ATELIER, address_line1="Zeedijk 114", address_line2="", postal_code="8400",
    city="Oostende", country="BE", vat_number="BE0940180319",
    billing_email="boekhouding@atelier-noordzee.example", purchase_order="",
)  # fmt: skip


def keep_contact(
    quote_id: int, contact: Contact, account: str = ATELIER, *, by_admin: bool = True
) -> None:
    with transaction() as own:
        save_contact(
            own, account_named(own, account).id, quote_id, contact, NOW, may_manage_members=by_admin
        )


def keep_address(address: BillingAddress) -> None:
    with transaction() as own:
        save_billing_address(
            own, account_named(own, ATELIER).id, address, actor=actor_of(own, LOTTE), now=NOW
        )


def chosen(books: Session, quote_id: int) -> Checkout:
    books.expire_all()
    return books.scalars(select(Checkout).where(Checkout.quote_id == quote_id)).one()


def test_a_choice_is_kept_and_replaced_by_the_next(books: Session, parts: Parts) -> None:
    quote_id = quoted(parts)
    pieter = member_of(books, ATELIER, PIETER)
    keep_contact(quote_id, Contact(None, "Eva Claes", "Eva@Atelier-Noordzee.example"))
    row = chosen(books, quote_id)
    assert (row.contact_member_id, row.contact_name, row.contact_email) == (
        None, "Eva Claes", "eva@atelier-noordzee.example",
    )  # fmt: skip
    keep_contact(quote_id, Contact(pieter.id))
    row = chosen(books, quote_id)
    assert (row.contact_member_id, row.contact_name, row.contact_email) == (pieter.id, "", "")
    assert books.scalar(select(func.count(Checkout.id)).where(Checkout.quote_id == quote_id)) == 1


def test_Q5_the_address_of_a_member_is_that_member(books: Session, parts: Parts) -> None:
    quote_id = quoted(parts)
    keep_contact(quote_id, Contact(None, "Whoever", JONAS.upper()))
    assert chosen(books, quote_id).contact_member_id == member_of(books, ATELIER, JONAS).id


@pytest.mark.parametrize("typed", ["LOTTE@xn--mller-kva.example", "lotte@Müller.example "])
def test_Q5_a_member_is_found_by_their_address_however_it_is_written(
    books: Session, parts: Parts, typed: str
) -> None:
    quote = quoted(parts)
    with transaction() as own:
        member = member_of(own, ATELIER, LOTTE)
        own.get_one(Person, member.person_id).email = "lotte@müller.example"
        key = member.id
    keep_contact(quote, Contact(None, "L. V.", typed))
    checkout = chosen(books, quote)
    assert (checkout.contact_member_id, checkout.contact_email) == (key, "")


def test_Q5_a_new_contact_is_kept_in_the_one_form_of_addresses(
    books: Session, parts: Parts
) -> None:
    quote = quoted(parts)
    keep_contact(quote, Contact(None, "Jan", "Jan@xn--mller-kva.example"))
    assert chosen(books, quote).contact_email == "jan@müller.example"
    with pytest.raises(Rejected) as refused:
        keep_contact(quote, Contact(None, "Jan", "jan"))
    assert [(p.field, p.code) for p in refused.value.problems] == [
        ("contact_email", "email_malformed")
    ]


def test_Q5_only_a_present_admin_of_this_account_can_be_picked(
    books: Session, parts: Parts
) -> None:
    quote_id = quoted(parts)
    people = [
        member_of(books, ATELIER, JONAS), member_of(books, ATELIER, KAREL),
        member_of(books, OFFICINE, GIULIA),
    ]  # fmt: skip
    before = row_counts(books)
    for member_id in [*(m.id for m in people), 10**9]:
        with pytest.raises(Rejected) as rejected:
            keep_contact(quote_id, Contact(member_id))
        assert [(p.field, p.code) for p in rejected.value.problems] == [
            ("contact", "contact_unknown")
        ]
    assert row_counts(books) == before
    assert books.scalar(select(func.count(Member.id))) == before["member"]


def test_Q5_a_member_who_was_named_by_address_can_be_kept(books: Session, parts: Parts) -> None:
    quote_id = quoted(parts)
    jonas = member_of(books, ATELIER, JONAS)
    keep_contact(quote_id, Contact(None, "Whoever", JONAS))
    keep_contact(quote_id, Contact(jonas.id))
    assert chosen(books, quote_id).contact_member_id == jonas.id


NOT_ADMINS = ["eva.claes@atelier-noordzee.example", AN, JONAS, KAREL, GIULIA]


@pytest.mark.parametrize("email", NOT_ADMINS)
def test_DESIGN1_a_billing_admin_makes_nobody_an_admin_by_naming_them(
    books: Session, parts: Parts, email: str
) -> None:
    quote_id = quoted(parts)
    before = row_counts(books)
    with pytest.raises(Rejected) as rejected:
        keep_contact(quote_id, Contact(None, "Whoever", email.upper()), by_admin=False)
    assert [(p.field, p.code) for p in rejected.value.problems] == [
        ("contact", "contact_needs_admin")
    ]
    assert row_counts(books) == before


def test_DESIGN1_a_billing_admin_names_an_admin_and_keeps_no_one_else(
    books: Session, parts: Parts
) -> None:
    quote_id = quoted(parts)
    pieter, jonas = (member_of(books, ATELIER, email) for email in (PIETER, JONAS))
    keep_contact(quote_id, Contact(None, "Whoever", JONAS))  # by an admin, before
    with pytest.raises(Rejected):
        keep_contact(quote_id, Contact(jonas.id), by_admin=False)
    for contact in (Contact(pieter.id), Contact(None, "Whoever", PIETER)):
        keep_contact(quote_id, contact, by_admin=False)
        assert chosen(books, quote_id).contact_member_id == pieter.id


def test_the_checkout_of_another_accounts_quote_is_unknown(books: Session, parts: Parts) -> None:
    quote_id = quoted(parts)
    before = row_counts(books)
    with pytest.raises(DomainError, match="quote_unknown"):
        keep_contact(quote_id, Contact(None, "E", "e@officine-valdarno.example"), OFFICINE)
    with pytest.raises(DomainError, match="quote_unknown"), transaction() as own:
        save_choice(
            own, account_named(own, OFFICINE).id, quote_id, payment_method_id=None,
            completed=True, now=NOW,
        )  # fmt: skip
    assert row_counts(books) == before


def test_only_a_method_of_the_account_can_be_chosen(books: Session, parts: Parts) -> None:
    quote_id = quoted(parts)
    foreign = books.scalars(
        select(PaymentMethod.id)
        .join(Account, Account.id == PaymentMethod.account_id)
        .where(Account.name == OFFICINE)
    ).one()
    for method_id in (foreign, 10**9):
        with pytest.raises(Rejected, match="rejected"), transaction() as own:
            save_choice(
                own, account_named(own, ATELIER).id, quote_id, payment_method_id=method_id,
                completed=True, now=NOW,
            )  # fmt: skip
    assert books.scalars(select(Checkout).where(Checkout.quote_id == quote_id)).all() == []


# --- the billing address (I4) ------------------------------------------------------------------


def test_the_address_is_changed_with_old_and_new_values_and_issued_invoices_keep_theirs(
    books: Session,
) -> None:
    before = [row.buyer for row in books.scalars(select(Invoice).order_by(Invoice.id))]
    keep_address(replace(ADDRESS, city="Gent", postal_code="9000", purchase_order="PO-7"))
    books.expire_all()
    account = account_named(books, ATELIER)
    assert (account.city, account.postal_code, account.purchase_order) == ("Gent", "9000", "PO-7")
    assert (account.vat_status, account.vat_checked_at is None) == ("valid", False)
    event = books.scalars(
        select(AuditEvent).where(AuditEvent.action == "billing_details_changed")
    ).one()
    assert event.old == {"city": "Oostende", "postal_code": "8400", "purchase_order": ""}
    assert event.new == {"city": "Gent", "postal_code": "9000", "purchase_order": "PO-7"}
    assert [row.buyer for row in books.scalars(select(Invoice).order_by(Invoice.id))] == before


def test_an_address_left_as_it_is_is_no_change(books: Session) -> None:
    before = row_counts(books)
    keep_address(replace(ADDRESS, vat_number=" be 0940.180.319 "))
    books.expire_all()
    account = account_named(books, ATELIER)
    assert (account.vat_number, account.vat_status) == ("BE0940180319", "valid")
    assert row_counts(books) == before


@pytest.mark.parametrize(
    ("country", "number", "status"),
    [
        ("BE", "BE0950143209", "unchecked"),  # another number: nobody has checked it
        ("BE", None, "none"),
        ("BE", "  ", "none"),
        ("DE", "DE299180232", "unchecked"),  # another country
        ("GB", "GB980780684", "none"),  # outside the EU nobody confirms one
    ],
)
def test_I4_a_new_number_or_country_is_unchecked_until_somebody_has_confirmed_it(
    books: Session, country: str, number: str | None, status: str
) -> None:
    keep_address(replace(ADDRESS, country=country, vat_number=number))
    books.expire_all()
    account = account_named(books, ATELIER)
    assert (account.country, account.vat_status, account.vat_checked_at) == (country, status, None)


@pytest.mark.parametrize(
    ("country", "number", "code"),
    [
        ("BE", "BE0940180318", "vat_number_malformed"),
        ("BE", "nonsense", "vat_number_malformed"),
        ("DE", "BE0940180319", "vat_number_other_country"),
    ],
)
def test_I4_a_number_that_cannot_be_right_is_refused_at_its_field(
    books: Session, country: str, number: str, code: str
) -> None:
    before = row_counts(books)
    with pytest.raises(Rejected) as rejected:
        keep_address(replace(ADDRESS, country=country, vat_number=number, city="Gent"))
    assert [(p.field, p.code) for p in rejected.value.problems] == [("vat_number", code)]
    books.expire_all()
    assert account_named(books, ATELIER).city == "Oostende"
    assert row_counts(books) == before
