"""The demo's customers with Stripe: methods saved on its page, its news brought by its own post.

The portal talks to the fake Stripe over HTTP; its webhooks come to /webhooks/stripe as raw bytes,
each twice and in no order. Both clocks are put together.
"""

from __future__ import annotations

import json
import random
import re
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.clock import clock
from portal.db import transaction
from portal.jobs.worker import run_due
from portal.models import Account, Invoice, Payment, PaymentMethod
from portal.parts import Parts
from portal.payments.gateway import Customer, Patience, SetupRequest
from tests.conftest import NOW
from tests.fake_stripe.driver import WEBHOOK_SECRET
from tests.fake_stripe.postman import sign
from tests.payments.harness import PUBLIC_URL, StripeHarness
from tests.support.buying import CARD, LOTTE, account_named, speak
from tests.support.client import PortalClient
from tests.support.ledger import the_books_agree

__all__ = ["StripeSide", "answer_page", "save_at_stripe"]

Thing = dict[str, Any]


def save_at_stripe(stripe: StripeHarness, account: str, number: str) -> None:
    """A customer's default method is a test number, saved on Stripe's page."""
    gateway = stripe.gateway
    with transaction() as session:
        row = account_named(session, account)
        asked = Customer(f"cust:{row.id}", row.company_name, row.billing_email)
        key = f"saved:{row.id}:{number}:{clock.now().isoformat()}"
        known = row.gateway_customer or ""
    is_there = any(known == each["id"] for each in stripe.stripe.things("customer"))
    customer = known if is_there else gateway.ensure_customer(asked, Patience.BACKGROUND)
    page = gateway.open_setup(
        SetupRequest(
            key=key, customer_ref=customer, reference=key, return_url=f"{PUBLIC_URL}/back",
            cancel_url=f"{PUBLIC_URL}/cancelled", locale="en",
        ),
        Patience.BACKGROUND,
    )  # fmt: skip
    stripe.save_method(page.ref, number)
    facts = gateway.get_setup(page.ref, Patience.BACKGROUND).method
    assert facts is not None
    with transaction() as session:
        row = account_named(session, account)
        row.gateway_customer = customer
        session.execute(
            update(PaymentMethod)
            .where(PaymentMethod.account_id == row.id, PaymentMethod.removed_at.is_(None))
            .values(is_default=False, removed_at=clock.now())
        )
        session.add(
            PaymentMethod(
                account_id=row.id, kind=facts.kind.value, gateway_ref=facts.ref,
                brand=facts.brand, last4=facts.last4, expires_year=facts.expires_year,
                expires_month=facts.expires_month, funding=facts.funding,
                mandate_ref=facts.mandate_ref, is_default=True, added_at=clock.now(),
            )
        )  # fmt: skip


def answer_page(address: str, **typed: str) -> str:
    """Send the form of one of Stripe's own pages, as a browser would; where it leads."""

    request = urllib.request.Request(address, urllib.parse.urlencode(typed).encode())
    with pytest.raises(urllib.error.HTTPError) as answer:  # a redirect that is not followed
        urllib.request.build_opener(_Stay).open(request, timeout=30)
    assert answer.value.code == 303, answer.value.read().decode()[-600:]
    return str(answer.value.headers["Location"]).removeprefix(PUBLIC_URL)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any) -> None:
        return None


class StripeSide:
    """The worker, the post and one customer's browser, with Stripe as the provider.

    Each works in an app context of its own, as their processes do.
    """

    def __init__(self, app: Flask, parts: Parts, stripe: StripeHarness) -> None:
        self.app, self.parts, self.stripe = app, parts, stripe
        self.client = PortalClient(app)
        self._posted = 0
        self._dice = random.Random(7)

    # --- what there is ---------------------------------------------------------------

    def save_method(self, account: str, number: str) -> None:
        """A customer's default method is a test number from now on; nothing is collected by that."""
        with self.app.app_context():
            save_at_stripe(self.stripe, account, number)

    def use_stripe_everywhere(self) -> None:
        """Every customer who pays automatically has a card at Stripe that works."""
        with self.app.app_context(), transaction() as session:
            names = session.scalars(
                select(Account.name)
                .where(Account.payment_terms == "automatic")
                .order_by(Account.id)
            ).all()
        for name in names:
            self.save_method(name, CARD)

    def books_agree(self) -> None:
        """The ledger check finds nothing; Stripe never saw what was before these tests."""
        with self.app.app_context():
            the_books_agree(self.parts, since=NOW)

    # --- time, and what comes with it ------------------------------------------------

    def work(self, now: datetime) -> None:
        """It is `now` on both sides: Stripe's news come, and the worker runs."""
        clock.fix(now)
        self.stripe.pass_days(0)
        self.post()
        with self.app.app_context():
            run_due(self.parts, now)
        self.post()

    def post(self) -> None:
        """The events since the last post, each twice and shuffled, to the portal's own address."""
        events = self.stripe.stripe.things("event")
        fresh = events[self._posted :] * 2
        self._posted = len(events)
        self._dice.shuffle(fresh)
        browser = self.app.test_client()
        for event in fresh:
            body = json.dumps(event).encode()
            signature = sign(body, WEBHOOK_SECRET, int(clock.now().timestamp()))
            answer = browser.post(
                "/webhooks/stripe", data=body, headers={"Stripe-Signature": signature}
            )
            assert answer.status_code == 200, (event["type"], answer.get_json())

    # --- the customer ----------------------------------------------------------------

    def sign_in(self) -> None:
        """Lotte of Atelier Noordzee, reading English."""
        speak(self.client, LOTTE, "en")
        self.client.sign_in(LOTTE)

    @property
    def text(self) -> str:
        """What stands on the page."""
        assert self.client.page is not None
        return self.client.page.text()

    def links_to_stripe(self) -> list[str]:
        """The page's links to the provider."""
        assert self.client.page is not None
        return [
            link for link in self.client.page.links() if link.startswith(self.stripe.stripe.url)
        ]

    def replace_method(self, number: str) -> None:
        """From what is owed to Stripe's page, and back with another method."""
        self.client.get("/billing/owed")
        self.client.follow(self.client.post("/billing/owed/method"))
        (page, *_) = self.links_to_stripe()
        expiry = {} if number[:2].isalpha() else {"expiry": "12/34"}
        back = answer_page(page, number=number, **expiry)
        self.client.follow(self.client.get(back, 303))

    def press_pay(self, invoice: Invoice) -> None:
        """Press the button that says the amount, and look at how it went."""
        self.client.get("/billing/owed")
        assert f"Pay €{invoice.gross_minor / 100:,.2f} now" in self.text
        answer = self.client.post(
            f"/invoices/{invoice.number}/pay", {"shown": str(invoice.gross_minor)}
        )
        self.client.follow(answer)

    def answer_bank(self, *, approve: bool) -> None:
        """From the page that asks for it to the bank's question, and back by its redirect."""
        (bank,) = self.links_to_stripe()
        back = answer_page(bank, answer="approve" if approve else "fail")
        self.client.follow(self.client.get(back, 303))

    def follow_mail(self, text: str) -> TestResponse:
        """The first link of a mail to a page of the portal."""
        found = re.search(re.escape(self.parts.settings.public_url) + r"(/\S+)", text)
        assert found is not None, text
        return self.client.get(found[1])

    # --- what Stripe really did --------------------------------------------------------

    def intents(self, books: Session, invoice: Invoice) -> list[Thing]:
        """The PaymentIntents of an invoice, the oldest first."""
        mine = self._references(books, invoice)
        return [
            thing
            for thing in self.stripe.stripe.things("payment_intent")
            if thing["metadata"].get("reference") in mine
        ]

    def charges(self, books: Session, invoice: Invoice) -> list[str]:
        """How each charge of an invoice ended there, the oldest first."""
        mine = self._references(books, invoice)
        return [
            "disputed" if thing["disputed"] else thing["status"]
            for thing in self.stripe.stripe.things("charge")
            if thing["metadata"].get("reference") in mine
        ]

    def _references(self, books: Session, invoice: Invoice) -> set[str]:
        ids = books.scalars(select(Payment.id).where(Payment.invoice_id == invoice.id))
        return {f"payment:{key}" for key in ids}
