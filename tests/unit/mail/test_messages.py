"""E-mails: every topic renders in every language, safely, and says what it must."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from portal.config import LOCALES, ROOT
from portal.demo import demo_catalogue_text
from portal.domain.catalogue_file import parse_catalogue
from portal.domain.money import Money
from portal.languages import language
from portal.mail.messages import TOPICS, BadPayload, read_message
from portal.mail.rendering import message_id_of, render_mail
from portal.mail.transport import RenderedMail
from tests.support.html import check_page

VENDOR = parse_catalogue(demo_catalogue_text()).vendor
URL = "https://portal.kanto.example"

PAYLOADS: dict[str, dict[str, Any]] = {
    "sign_in_link": {"link": f"{URL}/sign-in/abc?x=1&y=2", "minutes": 10, "name": "Lotte <b>V</b>"},
    "receipt": {
        "account_name": "Atelier Noordzee BV", "order_id": 7, "order_number": "O-2026-00007",
        "invoice_id": 3, "invoice_number": "KAN-2026-00012", "invoice_status": "paid",
        "currency": "EUR", "net_minor": 7912, "tax_minor": 1662, "gross_minor": 9574,
        "method": {"kind": "card", "brand": "visa", "last4": "4242"},
        "lines": [{"description": "Kanto CRM Pro", "quantity": 3, "unit_minor": 7500,
                   "days_left": 32, "days": 91, "discount_basis_points": 0, "net_minor": 7912}],
    },
    "order_needs_action": {"order_number": "O-1", "order_id": 7,
                           "amount": {"minor": 9574, "currency": "EUR"}},
    "order_failed": {"order_number": "O-1", "order_id": 7, "reason": "insufficient_funds"},
    "renewal_unpaid": {"invoice_number": "KAN-2026-00012", "currency": "EUR", "gross_minor": 9574,
                       "reason": "insufficient_funds"},
    "new_admin_contact": {"account_name": "Müller & Söhne", "name": "Jan", "email": "j@x.example",
                          "added_by": "Lotte"},
    "invitation": {"account_name": "Müller & Söhne", "invited_by": "Lotte"},
    "licences_granted": {"account_name": "A", "product": "Kanto CRM", "added": 3, "total": 15},
}  # fmt: skip


def rendered(topic: str, locale: str = "en", **more: Any) -> RenderedMail:
    message = read_message(topic, {**PAYLOADS[topic], **more}, URL)
    return render_mail(
        message, recipient="x@y.example", locale=locale, vendor=VENDOR, message_id="<1@x>"
    )


def test_every_topic_has_an_example_here() -> None:
    assert set(PAYLOADS) == set(TOPICS)
    for topic in TOPICS:
        for kind in ("txt", "html"):
            assert (ROOT / "templates" / "mail" / f"{topic}.{kind}").is_file()


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("topic", sorted(PAYLOADS))
def test_each_mail_in_each_language_is_whole(topic: str, locale: str) -> None:
    mail = rendered(topic, locale)
    page = check_page(mail.html, whole=True)
    assert mail.subject
    assert "\n" not in mail.subject
    assert page.title == mail.subject
    assert f'<html lang="{locale}">' in mail.html
    for text in (mail.text, mail.html):
        assert "%(" not in text
        assert "None" not in text
    assert VENDOR.legal_name in mail.text
    assert "<img" not in mail.html
    assert "http-equiv" not in mail.html
    assert "&amp;" not in mail.text
    assert "&lt;" not in mail.text
    assert max(len(line) for line in mail.text.splitlines()) < 998


def test_html_is_escaped_and_text_is_not() -> None:
    mail = rendered("sign_in_link")
    assert "Lotte &lt;b&gt;V&lt;/b&gt;" in mail.html
    assert "Lotte <b>V</b>" in mail.text
    assert f'href="{URL}/sign-in/abc?x=1&amp;y=2"' in mail.html
    assert f"{URL}/sign-in/abc?x=1&y=2\n" in mail.text


@pytest.mark.parametrize("locale", LOCALES)
def test_I1_the_receipt_shows_the_invoices_amounts(locale: str) -> None:
    mail = rendered("receipt", locale)
    words = language(locale)
    for minor in (7912, 1662, 9574, 7500):
        assert words.money(Money(minor, "EUR")) in mail.text
        assert words.money(Money(minor, "EUR")) in mail.html
    assert words.money(Money(9574, "EUR")) in " ".join(mail.subject.split()).replace(
        " ", "\xa0"
    ) or ("95" in mail.subject)
    assert "32/91" in mail.text
    assert "4242" in mail.text
    assert f"{URL}/orders/7" in mail.text
    assert f"{URL}/invoices/KAN-2026-00012" in mail.text


def test_a_receipt_of_an_accepted_debit_does_not_say_paid() -> None:
    mail = rendered(
        "receipt",
        invoice_status="pending",
        method={"kind": "sepa_debit", "brand": "Noorderbank", "last4": "7034"},
    )
    assert "Paid with" not in mail.text
    assert "accepted" in mail.text


def test_M5_an_unpaid_renewal_says_how_much_why_and_what_to_do() -> None:
    mail = rendered("renewal_unpaid")
    assert "KAN-2026-00012" in mail.subject
    for expected in ("95.74", "not enough money", f"{URL}/billing/payment-method"):
        assert expected in mail.text
        assert expected in mail.html


def test_a_subject_is_one_line_whatever_a_name_holds() -> None:
    mail = rendered("new_admin_contact", name="Eve\r\nBcc: all@x.example")
    assert mail.subject.count("\n") == 0
    assert "\r" not in mail.subject


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("no_such_mail", {}),
        ("sign_in_link", {}),
        ("sign_in_link", {"link": 3}),
        ("sign_in_link", {"link": "x", "minutes": True}),
        ("receipt", {**PAYLOADS["receipt"], "lines": [{"description": "x"}]}),
        ("receipt", {**PAYLOADS["receipt"], "gross_minor": "95.74"}),
    ],
)
def test_a_payload_that_does_not_fit_is_named(topic: str, payload: dict[str, Any]) -> None:
    with pytest.raises(BadPayload, match=topic):
        read_message(topic, payload, URL)


def test_the_message_id_is_the_same_at_every_try() -> None:
    at = datetime(2026, 10, 29, 9, tzinfo=UTC)
    first = message_id_of(7, at, "portal@kanto.example", URL)
    assert first == message_id_of(7, at, "portal@kanto.example", URL)
    assert first == "<7.1793264400.portal.kanto.example@kanto.example>"
    assert first != message_id_of(8, at, "portal@kanto.example", URL)
