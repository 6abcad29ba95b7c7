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

OWED = {
    "account_name": "Müller & Söhne", "invoice_number": "KAN-2026-00012", "currency": "EUR",
    "owed_minor": 9574, "access_ends_on": "2026-12-21", "by_transfer": False, "reference": "R-12",
    "iban": "BE68539007547034", "bic": "GKCCBEBB",
}  # fmt: skip

TOP_UP = {
    "account_name": "Müller & Söhne", "balance": 2042, "credits": 2000, "currency": "EUR",
    "gross_minor": 21780,
}  # fmt: skip

QUOTE = {
    "account_name": "Müller & Söhne", "quote_id": 9, "quote_number": "Q-2026-0009",
    "currency": "EUR", "gross_minor": 9574, "valid_until": "2026-11-28",
}  # fmt: skip

REQUEST = {
    "account_name": "Müller & Söhne", "change_request_id": 17, "request_number": 17,
    "kind": "more_seats", "quantity": 3, "label": "Kanto CRM <b>Pro</b>", "target": "",
    "sent_on": "2026-11-02", "author_name": "Jan <b>B</b>", "author_email": "j@x.example",
}  # fmt: skip

ORDER = {
    "account_name": "Müller & Söhne", "order_id": 7, "order_number": "O-2026-00007",
    "invoice_id": 3, "invoice_number": "KAN-2026-00012", "currency": "EUR", "gross_minor": 9574,
}  # fmt: skip

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
    "low_balance": {"account_name": "Müller & Söhne", "balance": 42, "why": "cap"},
    "top_up_done": {**TOP_UP, "invoice_id": 3, "invoice_number": "KAN-2026-00012",
                    "method": {"kind": "card", "brand": "visa", "last4": "4242"}},
    "top_up_failed": {**TOP_UP, "reason": "insufficient_funds", "retry_on": "2026-12-02"},
    "order_needs_action": {"order_number": "O-1", "order_id": 7,
                           "amount": {"minor": 9574, "currency": "EUR"}},
    "order_failed": {"order_number": "O-1", "order_id": 7, "reason": "insufficient_funds"},
    "owed_failed": {**OWED, "reason": "insufficient_funds", "retry_on": "2026-12-02"},
    "owed_authentication": {**OWED, "reason": "authentication_required"},
    "owed_last_warning": {**OWED, "by_transfer": True},
    "owed_suspended": {**OWED, "reason": "lost_card", "ends_on": "2026-12-30"},
    "owed_recovered": OWED,
    "owed_ended": {**OWED, "reason": "expired_card", "ends_on": "2026-12-30"},
    "quote_prepared": {**QUOTE, "sender": "Hugo Peeters", "message": "As <discussed>."},
    "quote_expiring": QUOTE,
    "quote_answered": {"account_name": "Müller & Söhne", "desk_account_id": 3, "desk_quote_id": 9,
                       "quote_number": "Q-2026-0009", "answer": "declined", "by": "Jan",
                       "reason": "Too <expensive>."},
    "order_invoice": {**ORDER, "due_on": "2026-11-28"},
    "order_lapsed": ORDER,
    "order_unpaid": {
        "kind": "due", "account_name": "Müller & Söhne", "order_id": 7, "order_number": "O-1",
        "invoice_number": "KAN-2026-00012", "currency": "EUR", "owed_minor": 9_574,
        "due_on": "2026-12-02", "lapses_on": "2026-11-30", "goods": "3 × Kanto CRM <Pro>",
        "iban": "BE68 5390 0754 7034", "bic": "KREDBEBB", "reference": "RF29 2600 0004 12",
    },
    "executive_changed": {"account_name": "Müller & Söhne", "executive_name": "Jan",
                          "executive_email": "j@x.example", "executive_phone": "+32 59 00 01 45"},
    "customer_assigned": {"account_id": 7, "account_name": "Müller & Söhne", "assigned_by": "Jan"},
    "new_admin_contact": {"account_name": "Müller & Söhne", "name": "Jan", "email": "j@x.example",
                          "added_by": "Lotte"},
    "invitation": {"account_name": "Müller & Söhne", "invited_by": "Lotte"},
    "consent_request": {"account_name": "Müller & Söhne", "asked_by": "Lotte", "days": 30,
                        "words": "I agree to <this>.", "link": f"{URL}/consents/abc"},
    "consent_answered": {"account_name": "Müller & Söhne", "name": "Jan", "answer": "refused",
                         "words": "I agree to this."},
    "membership_changed": {"account_name": "Müller & Söhne", "change": "role_changed",
                           "role": "billing_admin", "by": "Lotte"},
    "cancellation_confirmed": {
        "account_name": "Müller & Söhne", "subscription_id": 3, "product": "Kanto CRM",
        "asked_by": "Lotte Verbeke", "asked_on": "2026-10-29", "last_day": "2026-11-29",
        "product_export_url": "https://crm.kanto.example/settings/export",
        "credited": "KAN-2026-00012",
    },
    "cancellation_undone": {
        "account_name": "Müller & Söhne", "subscription_id": 3, "product": "Kanto CRM",
        "undone_by": "Lotte Verbeke", "undone_on": "2026-10-30", "renews_on": "2026-11-30",
    },
    "subscription_ending": {
        "account_name": "Müller & Söhne", "subscription_id": 3, "product": "Kanto CRM",
        "last_day": "2026-11-29",
        "product_export_url": "https://crm.kanto.example/settings/export",
    },
    "renewal_invoice": {
        "account_name": "Müller & Söhne", "invoice_id": 3, "invoice_number": "KAN-2026-00012",
        "currency": "EUR", "gross_minor": 134_310, "due_on": "2026-11-30",
        "will_be_collected": True,
    },
    "credit_note": {
        "account_name": "Müller & Söhne", "invoice_number": "KAN-2026-00012",
        "credit_note_number": "KAN-CN-2026-00003", "currency": "EUR", "gross_minor": 15_000,
        "refund_minor": 9_000, "balance_minor": 2_000,
    },
    "refund_made": {
        "account_name": "Müller & Söhne", "credit_note_number": "KAN-CN-2026-00003",
        "currency": "EUR", "amount_minor": 9_000,
        "method": {"kind": "card", "brand": "visa", "last4": "4242"},
    },
    "refund_failed": {
        "account_name": "Müller & Söhne", "credit_note_number": "KAN-CN-2026-00003",
        "currency": "EUR", "amount_minor": 9_000,
        "method": {"kind": "card", "brand": "visa", "last4": "4242"},
    },
    "card_expiring": {
        "account_name": "Müller & Söhne", "brand": "visa", "last4": "4242", "expires_year": 2026,
        "expires_month": 12, "renews_on": "2027-01-05",
    },
    "payment_method_missing": {"account_name": "Atelier Nord", "renews_on": "2026-11-30"},
    "payment_method_lost": {
        "account_name": "Müller & Söhne", "kind": "sepa_debit", "brand": "", "last4": "3201",
    },
    "vat_number_invalid": {"account_name": "Müller & Söhne", "vat_number": "DE299180232"},
    "licences_granted": {"account_name": "A", "product": "Kanto CRM", "added": 3, "total": 15},
    "support_asked": {
        "account_name": "Müller & Söhne", "author_name": "Jan <b>B</b>", "author_email": "j@x.example",
        "message_number": 12, "about": "Invoice & more", "text": "Hello,\n\nwhat is <this>?",
        "kind": "message",
    },
    "request_step": {**REQUEST, "status": "declined", "by": "Hugo Peeters",
                     "reason": "Not <before> March.", "answers_to": "hugo@x.example"},
    "request_answered": {**REQUEST, "text": "Which <shop>?"},
    "desk_request_step": {**REQUEST, "desk_account_id": 3, "happened": "sent",
                          "details": "From <Monday> on.", "purchase_order": "PO <7>"},
    "desk_request_message": {**REQUEST, "desk_account_id": 3, "text": "The <one> in Lille."},
    "desk_digest": {
        "name": "Hugo Peeters", "on": "2026-11-02", "requests": 2, "overdue": 1, "tasks": 0, "entries": 3,
        "lines": [{"account_name": "Müller & <Söhne>", "kind": "fewer_seats", "quantity": 2,
                   "days": 3}],
    },
    "support_answered": {
        "about": "Invoice & more", "text": "It is your\nrenewal.", "answered_by": "Hugo Peeters",
        "support_email": "support@kanto.example", "support_message_id": 12,
    },
    "service_asked": {
        "account_name": "Müller & Söhne", "author_name": "Jan", "author_email": "j@x.example",
        "request_number": 4, "package": "Done for you", "wishes": "In Ghent, please.",
    },
    "service_withdrawn": {
        "account_name": "Müller & Söhne", "author_name": "Jan", "author_email": "j@x.example",
        "request_number": 4, "package": "Done for you", "desk_account_id": 3,
    },
    "service_answered": {
        "package": "Done for you", "package_key": "done-for-you", "status": "confirmed",
        "answer": "Our partner begins in May.", "can_be_bought": 1,
        "support_email": "support@kanto.example",
    },
    "trial_ending": {
        "account_name": "Müller & Söhne", "product": "Kanto CRM", "product_key": "crm", "days": 3,
        "ends_on": "2026-11-30", "read_until_on": "2026-12-14",
        "product_export_url": "https://crm.kanto.example/settings/export",
    },
    "trial_over": {
        "account_name": "Müller & Söhne", "product": "Kanto CRM", "product_key": "crm",
        "ends_on": "2026-11-30", "read_until_on": "2026-12-14",
        "product_export_url": "https://crm.kanto.example/settings/export",
    },
    "trial_extended": {
        "account_name": "Müller & Söhne", "product": "Kanto CRM", "product_key": "crm",
        "ends_on": "2026-12-24",
    },
    "transfer_received": {
        "account_name": "Müller & Söhne", "account_id": 2, "invoice_number": "KAN-2026-00012",
        "currency": "EUR", "amount_minor": 12_500, "left_minor": 0, "balance_minor": 2_500,
    },
    "transfer_booked": {
        "account_name": "Müller & Söhne", "account_id": 2, "currency": "EUR",
        "amount_minor": 12_500, "balance_minor": 12_500, "booked_by": "Greta <b>W</b>",
    },
    "balance_paid_back": {
        "account_name": "Müller & Söhne", "currency": "EUR", "amount_minor": 2_500,
        "left_minor": 100,
    },
    "access_loss": {
        "account_name": "A", "product": "Kanto CRM Pro", "change_id": 7, "on": "2026-11-30",
        "seats": 8, "people": ["Milan <b> Dhaenens", "Noor Bakker"], "more": 3,
    },
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


def test_a_mail_is_written_as_people_write_its_names_and_labels() -> None:
    mail = rendered("payment_method_missing", "fr", account_name="Atelier <Nord>")
    assert "renouvellement d’Atelier <Nord> a lieu" in mail.text
    assert "renouvellement d’Atelier &lt;Nord&gt; a lieu" in mail.html
    assert "Ajouter un moyen de paiement\u00a0: https://" in mail.text
    assert "Add a payment method: https://" in rendered("payment_method_missing").text
    mail = rendered("quote_expiring", "it", valid_until="2026-11-11")
    assert "alla fine dell’11 novembre 2026" in mail.text


def test_a_new_account_executive_has_a_line_each_for_address_and_telephone() -> None:
    lines = rendered("executive_changed").text.splitlines()
    at = lines.index("j@x.example")
    assert lines[at + 1] == "+32 59 00 01 45"


def test_html_is_escaped_and_text_is_not() -> None:
    mail = rendered("sign_in_link")
    assert "Lotte &lt;b&gt;V&lt;/b&gt;" in mail.html
    assert "Lotte <b>V</b>" in mail.text
    assert f'href="{URL}/sign-in/abc?x=1&amp;y=2"' in mail.html
    assert f"{URL}/sign-in/abc?x=1&y=2\n" in mail.text


def test_S6_who_loses_access_is_named_with_the_ways_to_change_it() -> None:
    mail = rendered("access_loss")
    assert mail.subject == "5 people lose access to Kanto CRM Pro on 30 November 2026"
    for words in ("Noor Bakker", "and 3 more people", "until 29 November 2026", "8 licences",
                  f"{URL}/changes/7/people", f"{URL}/licences#change-7"):  # fmt: skip
        assert words in mail.text
    for people in (None, "Noor", [1]):
        with pytest.raises(BadPayload):
            rendered("access_loss", people=people)


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


def test_M5_an_unpaid_renewal_says_how_much_why_when_and_what_to_do() -> None:
    mail = rendered("owed_failed")
    assert "KAN-2026-00012" in mail.subject
    for expected in ("95.74", "not enough money", f"{URL}/billing/owed", "2 December 2026",
                     "21 December 2026"):  # fmt: skip
        assert expected in mail.text
        assert expected in mail.html
    assert "\n\nWe try again on 2 December 2026. You can also pay at once.\n\nIf " in mail.text
    assert "\n\n\n" not in mail.text


def test_M5_who_pays_by_transfer_gets_account_and_reference_instead_of_a_button() -> None:
    mail = rendered("owed_last_warning")
    for expected in ("€95.74", "BE68539007547034", "GKCCBEBB", "R-12", "21 December 2026"):
        assert expected in mail.text
        assert expected in mail.html
    assert "/billing/owed" not in mail.text


def test_I3_a_renewal_invoice_says_how_it_is_paid_and_by_when() -> None:
    collected = rendered("renewal_invoice")
    assert "KAN-2026-00012" in collected.subject
    assert "€1,343.10" in collected.subject
    transferred = rendered("renewal_invoice", will_be_collected=False)
    for mail, words in ((collected, "collect it from your payment method on 30 November 2026"),
                        (transferred, "Please transfer €1,343.10 by 30 November 2026")):  # fmt: skip
        for text in (mail.text, mail.html):
            assert words in text
            assert f"{URL}/invoices/KAN-2026-00012" in text
    assert "Nothing is to be paid" in rendered("renewal_invoice", gross_minor=0).text


def test_M5_a_rest_that_cannot_be_charged_is_not_asked_for() -> None:
    mail = rendered(
        "renewal_invoice", will_be_collected=False, left_open=True, gross_minor=30
    )  # fmt: skip
    for text in (mail.text, mail.html):
        assert "€0.30 is less than can be collected from a payment method" in text
        assert "transfer" not in text


def test_I4_the_mail_of_an_invalid_number_names_it_and_where_to_correct_it() -> None:
    mail = rendered("vat_number_invalid")
    assert "DE299180232" in mail.text
    assert f"{URL}/billing/details" in mail.text


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("sent", "Nothing changes and nothing is due"),
        ("preparing", "Hugo Peeters sees to it"),
        ("invoiced", "went out to whoever gets your invoices"),
        ("confirmed", "It takes effect on 2 February 2027."),
        ("declined", "Not <before> March."),
        ("withdrawn", "You have taken it back."),
        ("done", "What you asked for is done."),
    ],
)
def test_a_customer_reads_where_the_request_stands_and_answers_to_a_person(
    status: str, says: str
) -> None:
    mail = rendered("request_step", status=status, effective_on="2027-02-02")
    assert says in mail.text
    assert "3 more licences for Kanto CRM <b>Pro</b>" in mail.text
    assert f"{URL}/requests/17" in mail.text
    assert mail.reply_to == "hugo@x.example"


def test_the_desk_reads_what_is_asked_and_answers_to_who_asked() -> None:
    mail = rendered("desk_request_step")
    assert mail.subject == "[17] Müller & Söhne: new request"
    assert f"{URL}/desk/accounts/3/requests/17" in mail.text
    assert mail.reply_to == "j@x.example"
    assert rendered("request_answered").reply_to == "j@x.example"


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


def test_an_invitation_says_whether_a_licence_is_kept() -> None:
    assert "A licence is kept for you." in rendered("invitation").text
    assert "A licence is kept for you." not in rendered("invitation", licences=0).text


@pytest.mark.parametrize(
    ("change", "subject"),
    [("role_changed", "Your role in Müller & Söhne has changed"),
     ("deactivated", "You are deactivated in Müller & Söhne"),
     ("reactivated", "You are active again in Müller & Söhne")],
)  # fmt: skip
def test_a_person_hears_what_changed_for_them(change: str, subject: str) -> None:
    mail = rendered("membership_changed", change=change)
    assert mail.subject == subject
    assert "Lotte" in mail.text
    assert "licences" in rendered("membership_changed", change=change, by="").text


@pytest.mark.parametrize("answer", ["given", "refused"])
def test_S7_the_asker_hears_the_answer_with_its_words(answer: str) -> None:
    mail = rendered("consent_answered", answer=answer)
    assert ("agreed" if answer == "given" else "refused") in mail.subject
    assert "I agree to this." in mail.text


def test_an_answer_to_a_persons_words_goes_to_that_person() -> None:
    assert rendered("support_asked").reply_to == "j@x.example"
    assert rendered("service_asked").reply_to == "j@x.example"
    assert rendered("support_answered").reply_to == "support@kanto.example"
    assert rendered("service_answered").reply_to == "support@kanto.example"
    assert rendered("receipt").reply_to == ""


def test_a_message_reaches_the_vendor_as_it_was_typed() -> None:
    mail = rendered("support_asked")
    assert mail.subject == "[12] Invoice & more (Müller & Söhne)"
    assert "Jan <b>B</b> (j@x.example) of Müller & Söhne writes:" in mail.text
    assert "Hello,\n\nwhat is <this>?" in mail.text
    assert '<p class="said">Hello,\n\nwhat is &lt;this&gt;?</p>' in mail.html
    assert "goes on with message 12" in rendered("support_asked", kind="reply").text
    assert rendered("support_asked", about="x\r\nBcc: all@x.example").subject.count("\n") == 0


@pytest.mark.parametrize("topic", ["support_asked", "service_asked", "service_withdrawn"])
def test_the_vendors_people_are_not_told_to_turn_to_themselves(topic: str) -> None:
    mail = rendered(topic)
    assert "Questions?" not in mail.text
    assert "Questions?" not in mail.html
    assert "Questions?" in rendered("support_answered").text


def test_an_answer_names_who_answers_and_leads_to_the_message() -> None:
    mail = rendered("support_answered")
    for expected in ("Hugo Peeters", "It is your\nrenewal.", f"{URL}/support/messages/12"):
        assert expected in mail.text
        assert expected in mail.html


def test_the_vendor_hears_whether_a_package_is_asked_for_or_paid() -> None:
    asked, paid = rendered("service_asked"), rendered("service_asked", order_number="O-7")
    assert asked.subject == "Müller & Söhne asks for Done for you"
    assert "confirm or decline request 4" in asked.text
    assert paid.subject == "Müller & Söhne has bought Done for you"
    assert "order O-7" in paid.text
    assert "In Ghent, please." in paid.text


def test_the_vendors_mails_lead_to_the_desk() -> None:
    for topic, place in (
        ("support_asked", "support/12"),
        ("service_asked", "support/packages/4"),
        ("service_withdrawn", "support/packages/4"),
    ):
        mail = rendered(topic, desk_account_id=3)
        assert f"{URL}/desk/accounts/3/{place}" in mail.text
        assert f"{URL}/desk/accounts/3/{place}" in mail.html


def test_W3_the_wallets_mail_says_that_a_use_was_refused() -> None:
    mail = rendered("low_balance", why="refused", refused=1200)
    assert mail.subject == "Something was refused: there are too few credits in your wallet"
    assert "Something that costs 1,200 credits was refused just now." in mail.text
    assert "Something that costs" in mail.html
    assert "refused just now" not in rendered("low_balance", why="used").text


def test_the_vendor_hears_that_a_package_is_not_wanted_any_more() -> None:
    mail = rendered("service_withdrawn")
    assert mail.subject == "Müller & Söhne does not want Done for you any more"
    assert "took back request 4" in mail.text


@pytest.mark.parametrize(
    ("more", "subject", "sentence"),
    [
        ({}, "We can deliver Done for you", "You can buy it in the portal now"),
        ({"can_be_bought": 0}, "We can deliver Done for you", "We prepare the invoice"),
        ({"status": "done"}, "Done for you is done", "We have delivered everything."),
        ({"status": "declined"}, "We cannot deliver Done for you", "Nothing was charged."),
    ],
)
def test_who_asked_for_a_package_hears_what_comes_next(
    more: dict[str, Any], subject: str, sentence: str
) -> None:
    mail = rendered("service_answered", **more)
    assert mail.subject == subject
    assert sentence in mail.text
    assert "Our partner begins in May." in mail.text
    assert f"{URL}/support/packages/done-for-you" in mail.text
