"""Delivering the outbox: at least once, one bad message stops nobody, the product is told signed."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.db import transaction
from portal.jobs.outbox import SIGNATURE_HEADER
from portal.jobs.worker import run_due
from portal.mail.smtp import MailRefused
from portal.mail.transport import RenderedMail
from portal.models import (
    DeskTask,
    Entitlement,
    Invoice,
    InvoiceLine,
    OutboxMessage,
    Product,
    Subscription,
)
from portal.parts import Parts
from portal.services.audit import SYSTEM
from portal.services.outbox import enqueue_mail, request_entitlement
from portal.services.retrying import retry_message
from tests.conftest import NOW

SECRET = "entitlement-secret-0123456789abcdefghij"


class Post:
    """A transport that remembers, and fails where it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.sent: list[RenderedMail] = []
        self.error = error

    def send(self, mail: RenderedMail) -> None:
        self.sent.append(mail)
        if self.error is not None and mail.recipient == "bad@x.example":
            raise self.error


def link(recipient: str, **payload: Any) -> None:
    with transaction() as session:
        enqueue_mail(session, "sign_in_link", recipient=recipient, locale="de", now=NOW,
                     payload={"link": "https://x.example/s", **payload})  # fmt: skip


def messages() -> list[OutboxMessage]:
    with transaction() as session:
        return list(
            session.scalars(
                select(OutboxMessage)
                .where(OutboxMessage.created_at == NOW)
                .order_by(OutboxMessage.id)
            )
        )


def test_a_failing_message_does_not_stop_the_others(parts: Parts, app_context: None) -> None:
    post = Post(OSError("connection refused"))
    link("bad@x.example")
    link("good@x.example")
    counts = run_due(replace(parts, mail=post), NOW)
    assert counts.messages == 1
    assert counts.failed == 1
    bad, good = messages()
    assert (bad.status, good.status) == ("waiting", "delivered")
    assert "connection refused" in bad.last_error
    assert bad.available_at > NOW


def test_every_try_has_the_same_message_id(parts: Parts, app_context: None) -> None:
    post = Post(OSError("later"))
    link("bad@x.example")
    run_due(replace(parts, mail=post), NOW)
    run_due(replace(parts, mail=post), NOW + timedelta(minutes=1))
    first, second = post.sent
    assert first.message_id == second.message_id
    assert first.locale == "de"


def test_a_recipient_refused_for_good_goes_to_the_desk(parts: Parts, app_context: None) -> None:
    link("bad@x.example")
    run_due(replace(parts, mail=Post(MailRefused("550 no such user"))), NOW)
    assert messages()[0].status == "failed"
    with transaction() as session:
        [task] = session.scalars(select(DeskTask).where(DeskTask.kind == "message_failed")).all()
    assert "550" in task.details["error"]


def test_a_link_that_has_expired_is_not_sent_and_is_nobodys_task(
    parts: Parts, app_context: None
) -> None:
    post = Post()
    link("late@x.example", minutes=10)
    run_due(replace(parts, mail=post), NOW + timedelta(minutes=11))
    assert post.sent == []
    assert messages()[0].status == "failed"
    with transaction() as session:
        assert (
            session.scalars(select(DeskTask).where(DeskTask.kind == "message_failed")).all() == []
        )


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("sign_in_link", {"minutes": 10}),
        ("consent_request", {"account_name": "A", "asked_by": "B", "words": "C", "days": 30}),
    ],
)
def test_a_secret_link_does_not_stay_with_a_mail_that_failed_for_good(
    parts: Parts, app_context: None, topic: str, payload: dict[str, Any]
) -> None:
    """As with one that was sent: who reads the database cannot sign in with what lies there."""
    with transaction() as session:
        enqueue_mail(session, topic, recipient="bad@x.example", locale="de", now=NOW,
                     payload={"link": "https://x.example/s/TOKEN", **payload})  # fmt: skip
    run_due(replace(parts, mail=Post(OSError("later"))), NOW)
    assert messages()[0].payload["link"], "it is tried again"
    at = NOW + timedelta(minutes=1)
    run_due(replace(parts, mail=Post(MailRefused("550 no such user"))), at)
    [row] = messages()
    assert (row.status, row.payload) == ("failed", payload)
    with transaction() as session:  # the desk has it tried again
        assert retry_message(session, row.id, actor=SYSTEM, now=at)
    post = Post()
    run_due(replace(parts, mail=post), at)
    assert post.sent == []
    assert "the person needs a new one" in messages()[0].last_error


def test_a_late_link_is_wiped_and_an_invitation_can_be_sent_after_all(
    parts: Parts, app_context: None
) -> None:
    link("late@x.example", minutes=10)
    with transaction() as session:
        enqueue_mail(session, "invitation", recipient="bad@x.example", locale="de", now=NOW,
                     payload={"account_name": "A", "invited_by": "B", "licences": 1})  # fmt: skip
    at = NOW + timedelta(minutes=11)
    run_due(replace(parts, mail=Post(MailRefused("550 mailbox is full"))), at)
    late, invitation = messages()
    assert (late.status, late.payload) == ("failed", {"minutes": 10})
    with transaction() as session:
        assert retry_message(session, invitation.id, actor=SYSTEM, now=at)
    post = Post()
    run_due(replace(parts, mail=post), at)
    assert [mail.recipient for mail in post.sent] == ["bad@x.example"]


def test_I1_the_receipt_carries_the_invoice_as_pdf(parts: Parts, app_context: None) -> None:
    with transaction() as session:
        invoice = session.scalars(select(Invoice).order_by(Invoice.id)).first()
        assert invoice is not None
        lines = session.scalars(
            select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id)
        ).all()
        payload = {
            "account_name": "A", "order_id": 1, "order_number": "O-1", "invoice_id": invoice.id,
            "invoice_number": invoice.number, "currency": invoice.currency,
            "net_minor": invoice.net_minor, "tax_minor": invoice.tax_minor,
            "gross_minor": invoice.gross_minor, "method": None,
            "lines": [{"description": x.description, "quantity": x.quantity,
                       "unit_minor": x.unit_minor, "net_minor": x.net_minor} for x in lines],
        }  # fmt: skip
        for account_id in (invoice.account_id, invoice.account_id + 1):
            enqueue_mail(session, "receipt", recipient="pay@x.example", locale="fr",
                         payload=payload, now=NOW, account_id=account_id)  # fmt: skip
    post = Post()
    run_due(replace(parts, mail=post), NOW)
    [mail] = post.sent  # the other account has no such invoice: its message is refused
    [attachment] = mail.attachments
    assert attachment.filename == f"{invoice.number}.pdf"
    assert attachment.content.startswith(b"%PDF")
    assert [row.status for row in messages()] == ["delivered", "failed"]


def test_I3_a_renewal_invoice_travels_with_its_mail(parts: Parts, app_context: None) -> None:
    with transaction() as session:
        invoice = session.scalars(select(Invoice).where(Invoice.kind == "renewal")).first()
        assert invoice is not None
        payload = {
            "account_name": "A", "invoice_id": invoice.id, "invoice_number": invoice.number,
            "currency": invoice.currency, "gross_minor": invoice.gross_minor,
            "due_on": invoice.due_on.isoformat(), "will_be_collected": False,
        }  # fmt: skip
        for account_id in (invoice.account_id, invoice.account_id + 1):
            enqueue_mail(session, "renewal_invoice", recipient="pay@x.example", locale="it",
                         payload=payload, now=NOW, account_id=account_id)  # fmt: skip
    post = Post()
    run_due(replace(parts, mail=post), NOW)
    [mail] = post.sent
    assert [a.filename for a in mail.attachments] == [f"{invoice.number}.pdf"]
    assert [row.status for row in messages()] == ["delivered", "failed"]


class Endpoint:
    """The vendor's product: remembers what it was told and answers as it is set to."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, str], bytes]] = []
        self.answer = 204
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.told.append((dict(self.headers), body))
                self.send_response(outer.answer)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/entitlements"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()


def entitlement(app: Flask) -> tuple[int, str]:
    """A subscription whose product has not been told yet."""
    with transaction() as session:
        subscription_id, account_id, key = session.execute(
            select(Subscription.id, Subscription.account_id, Product.key)
            .join(Product, Product.id == Subscription.product_id)
            .order_by(Subscription.id)
        ).first()  # type: ignore[misc]
        row = session.scalars(
            select(Entitlement).where(Entitlement.subscription_id == subscription_id)
        ).one_or_none()
        if row is None:
            row = Entitlement(subscription_id=subscription_id, version=0, grants={},
                              changed_at=NOW, acknowledged_version=0)  # fmt: skip
            session.add(row)
        row.version, row.acknowledged_version = 5, 4
        request_entitlement(session, account_id=account_id, subscription_id=subscription_id,
                            version=5, payload={"seats": 15}, now=NOW)  # fmt: skip
    return subscription_id, key


def with_endpoint(parts: Parts, key: str, url: str | None) -> Parts:
    products = tuple(
        replace(each, entitlement_url=url) if each.key == key else each
        for each in parts.catalogue.products
    )
    return replace(
        parts,
        catalogue=replace(parts.catalogue, products=products),
        settings=replace(parts.settings, entitlement_secret=SECRET),
        mail=Post(),
    )


def acknowledged(subscription_id: int) -> int:
    with transaction() as session:
        return session.scalars(
            select(Entitlement.acknowledged_version).where(
                Entitlement.subscription_id == subscription_id
            )
        ).one()


def test_Q6_the_product_is_told_signed_and_acknowledges(
    app: Flask, parts: Parts, app_context: None, endpoint: Endpoint
) -> None:
    subscription_id, key = entitlement(app)
    run_due(with_endpoint(parts, key, endpoint.url), NOW)
    [(headers, body)] = endpoint.told
    assert json.loads(body) == {"seats": 15, "subscription_id": subscription_id, "version": 5}
    at, signature = (part.partition("=")[2] for part in headers[SIGNATURE_HEADER].split(","))
    expected = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert signature == expected
    assert int(at) == int(NOW.timestamp())
    assert headers["Portal-Delivery"] == f"entitlement:{subscription_id}:5"
    assert acknowledged(subscription_id) == 5


def test_Q6_without_an_acknowledgement_it_is_tried_again(
    app: Flask, parts: Parts, app_context: None, endpoint: Endpoint
) -> None:
    subscription_id, key = entitlement(app)
    endpoint.answer = 503
    told = with_endpoint(parts, key, endpoint.url)
    run_due(told, NOW)
    assert acknowledged(subscription_id) == 4
    endpoint.answer = 200
    run_due(told, NOW + timedelta(minutes=5))
    assert acknowledged(subscription_id) == 5
    assert len(endpoint.told) == 2


def test_Q6_without_an_endpoint_it_is_acknowledged_at_once(
    app: Flask, parts: Parts, app_context: None
) -> None:
    subscription_id, key = entitlement(app)
    run_due(with_endpoint(parts, key, None), NOW)
    assert acknowledged(subscription_id) == 5


def test_an_unsigned_message_never_leaves(
    app: Flask, parts: Parts, app_context: None, endpoint: Endpoint
) -> None:
    _subscription_id, key = entitlement(app)
    told = with_endpoint(parts, key, endpoint.url)
    run_due(replace(told, settings=replace(told.settings, entitlement_secret=None)), NOW)
    assert endpoint.told == []
    assert "ENTITLEMENT_SECRET" in messages()[-1].last_error
