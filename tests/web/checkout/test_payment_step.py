"""The payment step: contact, method, address; kept when one goes back, in every case (Q5, I4, M3)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.tax import TaxParty
from portal.models import Checkout, PaymentMethod
from portal.payments.smallest_charge import _SMALLEST
from tests.conftest import NOW
from tests.support.buying import (
    AN,
    ATELIER,
    CARD,
    JONAS,
    LOTTE,
    PIETER,
    WebPurchase,
    account_named,
    member_of,
    row_counts,
    speak,
    use_method,
)
from tests.support.client import PortalClient
from tests.support.html import check_page

HTMX = {"HX-Request": "true"}
EVA = {
    "contact": "new",
    "contact_name": "Eva Claes",
    "contact_email": "eva.claes@atelier-noordzee.example",
}


@pytest.fixture
def buyer(client: PortalClient) -> WebPurchase:
    """Somebody with a quote of three seats, on the payment step."""
    buyer = WebPurchase(client, LOTTE)
    buyer.save_cart(3)
    client.get(buyer.payment_url)
    return buyer


def sent(buyer: WebPurchase, status: int = 303, **changed: str) -> None:
    """Send the form as it is, with these changes."""
    fields = {**buyer.page.fields("payment"), "action": "save", **changed}
    buyer.client.post(buyer.payment_url, fields, status=status)


def test_the_form_is_filled_with_what_is_known(buyer: WebPurchase, books: Session) -> None:
    fields = buyer.page.fields("payment")
    assert fields["contact"] == str(member_of(books, ATELIER, LOTTE).id)  # oneself
    assert fields["company_name"] == ATELIER
    assert (fields["postal_code"], fields["country"]) == ("8400", "BE")
    assert fields["vat_number"] == "BE0940180319"
    assert "Visa ending in 4242" in buyer.text or "Visa ending 4242" in buyer.text
    assert "€95.74" in buyer.text
    assert PIETER in buyer.text
    assert JONAS not in buyer.text  # not an admin


def test_the_way_on_is_the_first_step_that_is_not_complete(buyer: WebPurchase) -> None:
    start = buyer.payment_url.removesuffix("/payment")
    assert buyer.client.get(start, 303).headers["Location"] == buyer.payment_url
    assert buyer.client.get(buyer.service_order_url, 303).headers["Location"] == buyer.payment_url
    buyer.complete_payment()
    assert buyer.client.get(start, 303).headers["Location"] == buyer.service_order_url


def test_Q5_a_new_contact_is_kept_and_shown_and_not_created(
    buyer: WebPurchase, books: Session
) -> None:
    before = row_counts(books)
    buyer.complete_payment(**EVA)
    assert "Eva Claes" in buyer.text
    assert "eva.claes@atelier-noordzee.example is invited as an admin" in buyer.text
    after = row_counts(books)
    assert {name for name in after if after[name] != before[name]} == {"checkout"}
    buyer.client.get(buyer.payment_url)  # going back keeps it
    fields = buyer.page.fields("payment")
    assert {name: fields[name] for name in EVA} == EVA


def test_DESIGN1_a_billing_admin_picks_an_admin_and_is_offered_nobody_new(
    client: PortalClient, books: Session
) -> None:
    an = WebPurchase(client, AN)
    an.save_cart(3)
    client.get(an.payment_url)
    assert "Somebody new" not in an.text
    fields = an.page.fields("payment")
    assert "contact_email" not in fields
    before = row_counts(books)
    for email in (AN, EVA["contact_email"]):
        forged = {**fields, **EVA, "contact_email": email, "action": "save"}
        client.post(an.payment_url, forged, status=422)
    assert row_counts(books) == before
    an.complete_payment()
    assert "is invited as an admin" not in an.text


def test_DESIGN1_a_billing_admin_goes_back_from_a_new_contact_that_an_admin_had_named(
    buyer: WebPurchase, books: Session
) -> None:
    buyer.complete_payment(**EVA)
    buyer.client.post("/sign-out", {})
    speak(buyer.client, AN, "en")
    buyer.client.sign_in(AN)
    buyer.client.get(buyer.service_order_url)
    before = row_counts(books)
    answer = buyer.client.post(buyer.service_order_url, {"shown": buyer.terms()})
    assert answer.headers["Location"] == buyer.payment_url
    assert row_counts(books) == before
    buyer.client.follow(answer)
    assert "Only an admin can name somebody who is not an admin yet." in buyer.text
    buyer.complete_payment()
    assert "Eva Claes" not in buyer.text
    buyer.place()


def test_every_detail_is_editable_and_kept(buyer: WebPurchase, books: Session) -> None:
    buyer.complete_payment(
        contact=str(member_of(books, ATELIER, PIETER).id), city="Gent", postal_code="9000",
        address_line2="bus 4", purchase_order="PO-77", billing_email="ap@atelier-noordzee.example",
    )  # fmt: skip
    for words in ("Pieter Claes", "9000 Gent", "bus 4", "PO-77", "ap@atelier-noordzee.example"):
        assert words in buyer.text
    buyer.client.get(buyer.payment_url)
    assert buyer.page.fields("payment")["city"] == "Gent"


def test_I4_another_vat_number_is_unchecked_and_its_vat_is_on_the_service_order(
    buyer: WebPurchase, books: Session
) -> None:
    buyer.complete_payment(country="DE", vat_number="DE 299 180 232")
    assert "VAT DE299180232 · not checked yet" in buyer.text
    assert "€94.15" in buyer.text  # 79.12 with the German 19 %: nobody has confirmed the number
    books.expire_all()
    assert account_named(books, ATELIER).vat_status == "unchecked"


def test_I4_a_vat_number_from_outside_the_eu_waits_for_no_check(buyer: WebPurchase) -> None:
    buyer.complete_payment(country="GB", vat_number="GB 987 4000 04", postal_code="BS1 4XX")
    assert "VAT GB 987 4000 04" in buyer.text
    assert "not checked yet" not in buyer.text
    buyer.client.get(buyer.payment_url)
    assert "could not be checked yet" not in buyer.text


MISTAKES: list[tuple[dict[str, str], str]] = [
    ({"contact": ""}, "Choose the admin contact."),
    ({"contact": "new"}, "Enter the new contact"),
    ({"contact": "new", "contact_name": "E", "contact_email": "eva"}, "Enter an e-mail address"),
    ({"company_name": ""}, "Enter the company"),
    ({"address_line1": " "}, "Enter the street and number."),
    ({"postal_code": ""}, "Enter the postal code."),
    ({"city": ""}, "Enter the town or city."),
    ({"billing_email": ""}, "Enter the e-mail address for receipts."),
    ({"billing_email": "a@b@c"}, "Enter an e-mail address"),
    ({"vat_number": "BE0940180318"}, "This is not a VAT number."),
    ({"vat_number": "DE299180232"}, "does not belong to the country"),
    ({"city": "x" * 500}, "This is too long"),
    ({"city": "Gent\0"}, "characters that cannot be read"),
    ({"contact": "999999"}, "hoice"),
    ({"contact": "9" * 400}, "hoice"),
    ({"country": "ZZ"}, "hoice"),
    ({"country": ""}, "hoice"),
]


def test_what_is_wrong_is_said_at_its_field_and_everything_typed_is_kept(
    buyer: WebPurchase, books: Session
) -> None:
    before = row_counts(books)
    for changed, words in MISTAKES:
        buyer.client.get(buyer.payment_url)
        sent(buyer, 422, **changed, purchase_order="PO-77")
        assert words in buyer.text, changed
        kept = buyer.page.fields("payment")
        assert kept["purchase_order"] == "PO-77"
        for name, value in changed.items():
            if name not in {"contact", "country"} and "\0" not in value:
                assert kept[name] == value.strip()
    assert row_counts(books) == before
    books.expire_all()
    assert account_named(books, ATELIER).purchase_order == ""


def test_htmx_gets_the_step_alone(buyer: WebPurchase) -> None:
    fields = {**buyer.page.fields("payment"), "action": "save", "city": ""}
    answer = buyer.client.post(buyer.payment_url, fields, status=422, headers=HTMX)
    assert "HX-Request" in answer.headers["Vary"]
    source = answer.get_data(as_text=True)
    assert "<html" not in source
    assert "Enter the town or city." in check_page(source, whole=False).text()
    fields["city"] = "Gent"
    answer = buyer.client.post(buyer.payment_url, fields, status=200, headers=HTMX)
    assert answer.headers["HX-Redirect"] == buyer.service_order_url


# --- the payment method --------------------------------------------------------------------------


def test_without_a_method_one_is_added_and_what_was_typed_is_kept(
    app: Flask, buyer: WebPurchase, books: Session
) -> None:
    with app.app_context(), transaction() as session:
        session.scalars(
            select(PaymentMethod).where(
                PaymentMethod.account_id == account_named(session, ATELIER).id
            )
        ).one().removed_at = NOW
    buyer.client.get(buyer.payment_url)
    assert "There is no card or bank account yet." in buyer.text
    sent(buyer, 422, **EVA)
    assert "Add a payment method" in buyer.text

    fields = {**buyer.page.fields("payment"), **EVA, "action": "method"}
    ours = buyer.client.post(buyer.payment_url, fields).headers["Location"]
    buyer.client.get(ours)
    (theirs,) = [link for link in buyer.page.links() if link.startswith("/demo/pay/")]
    card = {"kind": "card", "number": CARD, "expiry": "12/34", "cvc": "123"}
    back = buyer.client.post(theirs, card).headers["Location"]
    answer = buyer.client.get(back, 303)
    assert answer.headers["Location"] == buyer.payment_url
    buyer.client.follow(answer)
    assert buyer.page.fields("payment")["contact_name"] == "Eva Claes"
    sent(buyer)
    assert books.scalars(
        select(Checkout.completed).where(Checkout.quote_id == buyer.quote_id)
    ).one()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"funding": "prepaid"}, "Prepaid cards are not accepted."),
        ({"expires_year": 2026, "expires_month": 9}, "This card has expired."),
    ],
)
def test_M3_a_card_that_is_not_taken_stops_here(
    app: Flask, buyer: WebPurchase, changed: dict[str, object], words: str
) -> None:
    with app.app_context(), transaction() as session:
        method = session.scalars(
            select(PaymentMethod).where(
                PaymentMethod.account_id == account_named(session, ATELIER).id
            )
        ).one()
        for name, value in changed.items():
            setattr(method, name, value)
    buyer.client.get(buyer.payment_url)
    assert words in buyer.text
    sent(buyer, 422)
    assert words in buyer.text
    assert buyer.client.get(buyer.service_order_url, 303).headers["Location"] == buyer.payment_url


def test_Q2_a_method_that_was_replaced_meanwhile_is_seen_before_it_is_charged(
    app: Flask, buyer: WebPurchase
) -> None:
    buyer.complete_payment()
    shown = buyer.terms()
    with app.app_context(), transaction() as session:  # in another tab, by another admin
        use_method(session, ATELIER, "5555555555554444")
    assert buyer.client.get(buyer.service_order_url, 303).headers["Location"] == buyer.payment_url
    answer = buyer.client.post(buyer.service_order_url, {"shown": shown})
    assert answer.headers["Location"] == buyer.payment_url
    buyer.client.follow(answer)
    assert "Choose a payment method first." in buyer.text
    buyer.complete_payment()
    assert "ending in 4444" in buyer.text or "ending 4444" in buyer.text


def test_every_country_that_is_offered_can_be_saved(buyer: WebPurchase, books: Session) -> None:
    options = [
        option.get("value", "")
        for select_ in buyer.page.all("select", name="country")
        for option in select_
    ]
    assert len(options) > 200
    for code in options:
        assert TaxParty(code).country == code


def test_the_language_is_switched_and_what_was_typed_is_kept(buyer: WebPurchase) -> None:
    typed = {**buyer.page.fields("payment"), **EVA, "city": "Gent"}
    answer = buyer.client.post(f"/languages/de?next={buyer.payment_url}", typed)
    assert answer.headers["Location"] == buyer.payment_url
    buyer.client.follow(answer)
    fields = buyer.page.fields("payment")
    assert (fields["contact_name"], fields["city"]) == ("Eva Claes", "Gent")
    (html,) = [e for e in buyer.page.root.iter() if str(e.tag).endswith("}html")]
    assert html.get("lang") == "de"


def test_the_session_may_end_and_the_quote_is_still_there(buyer: WebPurchase) -> None:
    clock.fix(NOW + timedelta(hours=13))
    answer = buyer.client.get(buyer.payment_url, 303)
    assert answer.headers["Location"].startswith("/sign-in")
    buyer.client.sign_in(LOTTE)
    buyer.client.get(buyer.payment_url)
    assert "3 licences Kanto CRM Pro" in buyer.text


@pytest.mark.parametrize("locale", ["en", "nl"])
def test_Q2_an_order_that_is_too_small_to_be_charged_says_so_before_it_is_paid(
    client: PortalClient, books: Session, monkeypatch: pytest.MonkeyPatch, locale: str
) -> None:
    """At the step itself, when it is sent and at the end; what was typed stays."""
    buyer = WebPurchase(client, LOTTE, locale)
    buyer.save_cart(3)
    client.get(buyer.payment_url)
    buyer.complete_payment()
    terms = buyer.terms()
    monkeypatch.setitem(_SMALLEST, "EUR", 1_000_000)
    told = {
        "en": "The smallest amount that can be paid this way is €10,000.00.",
        "nl": "€ 10.000,00",
    }[locale]
    before = row_counts(books)
    answer = client.post(buyer.service_order_url, {"shown": terms})
    assert answer.headers["Location"] == buyer.payment_url
    client.get(buyer.payment_url)
    assert told in buyer.text.replace("\xa0", " ")
    assert row_counts(books) == before
    sent(buyer, 422, city="Brugge")
    assert told in buyer.text.replace("\xa0", " ")
    assert buyer.page.fields("payment")["city"] == "Brugge"
    assert "bank declined" not in buyer.text


@pytest.mark.usefixtures("app_context")
def test_Q2_the_smallest_charge_is_told_before_a_method_is_entered(
    client: PortalClient, books: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction() as session:
        account_id = account_named(session, ATELIER).id
        for method in session.scalars(
            select(PaymentMethod).where(PaymentMethod.account_id == account_id)
        ):
            method.is_default, method.removed_at = False, NOW
    buyer = WebPurchase(client, LOTTE)
    buyer.save_cart(3)
    monkeypatch.setitem(_SMALLEST, "EUR", 1_000_000)
    client.get(buyer.payment_url)
    assert "The smallest amount that can be paid this way is €10,000.00." in buyer.text
