"""Delivering outbox messages: e-mail, and what the vendor's product must grant (Q6).

The network is spoken to between transactions: claim and commit, read, send, report and commit. A
worker that dies in between leaves the message to the next one, so delivery is at least once; the
Message-ID and the delivery key are the same at every try, which lets the receiver see a double.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jinja2 import TemplateError
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from portal.db import reading, transaction
from portal.documents.invoice_pdf import invoice_filename, render_invoice
from portal.jobs.queue import Claim, claim_due, fail, finish
from portal.mail.billing_messages import RenewalInvoice
from portal.mail.member_messages import ConsentRequested
from portal.mail.messages import BadPayload, MailMessage, Receipt, SignInLinkMail, read_message
from portal.mail.quote_messages import OrderInvoice
from portal.mail.refund_messages import CreditNoteIssued
from portal.mail.rendering import message_id_of, render_mail
from portal.mail.smtp import MailRefused
from portal.mail.transport import Attachment
from portal.mail.wallet_messages import TopUpDone
from portal.models import OutboxMessage, Product, Subscription
from portal.parts import Parts
from portal.queries.credit_notes import get_credit_note
from portal.queries.invoices import get_invoice_by_id
from portal.services.entitlements import acknowledge_entitlement

__all__ = ["SIGNATURE_HEADER", "DeliveryRefused", "deliver", "deliver_due", "sign_entitlement"]

log = logging.getLogger(__name__)

SIGNATURE_HEADER = "Portal-Signature"
DELIVERY_HEADER = "Portal-Delivery"
_BATCH = 5
# Longer than a batch can take with every server at its timeout.
_LEASE = timedelta(minutes=10)
# Their payload holds a link with a token; an invitation leads to a page that everybody knows.
_WITH_LINK = frozenset({SignInLinkMail.topic, ConsentRequested.topic})
_CONNECT_SECONDS, _READ_SECONDS = 3, 20


class DeliveryRefused(Exception):
    """This message can never be delivered; trying again is of no use."""


class DeliveryTooLate(Exception):
    """The message has lost its point: a sign-in link that expired before it could be sent."""


@dataclass(frozen=True, slots=True)
class _Row:
    """An outbox row as it is read for its delivery."""

    id: int
    account_id: int | None
    kind: str
    topic: str
    recipient: str
    locale: str
    payload: dict[str, Any]
    dedupe_key: str | None
    created_at: datetime


_ROW = select(
    OutboxMessage.id,
    OutboxMessage.account_id,
    OutboxMessage.kind,
    OutboxMessage.topic,
    OutboxMessage.recipient,
    OutboxMessage.locale,
    OutboxMessage.payload,
    OutboxMessage.dedupe_key,
    OutboxMessage.created_at,
).where(OutboxMessage.id == bindparam("id"))
_PRODUCT_KEY = (
    select(Product.key)
    .join(Subscription, Subscription.product_id == Product.id)
    .where(Subscription.id == bindparam("id"))
)


def deliver_due(parts: Parts, now: datetime, *, limit: int = _BATCH) -> tuple[int, int]:
    """Deliver up to `limit` messages that are due; how many went out and how many did not."""
    with transaction() as session:
        claims = claim_due(session, OutboxMessage, now=now, limit=limit, lease=_LEASE)
    sent = sum(deliver(parts, claim, now) for claim in claims)
    return sent, len(claims) - sent


def deliver(parts: Parts, claim: Claim, now: datetime) -> bool:
    """Deliver one claimed message and report it; never raises for what the message does wrong."""
    try:
        row = _read(claim)
        if row.kind == "mail":
            _send_mail(parts, claim, row, now)
        else:
            _send_entitlement(parts, claim, row, now)
    except Exception as error:  # one bad message must not stop the others
        late = isinstance(error, DeliveryTooLate)
        for_good = late or isinstance(
            error, (BadPayload, DeliveryRefused, MailRefused, TemplateError)
        )
        log.warning("outbox message %s: %s: %s", claim.id, type(error).__name__, error)
        with transaction() as session:
            ours = fail(session, OutboxMessage, claim, f"{type(error).__name__}: {error}", now=now,
                        for_good=for_good, quietly=late)  # fmt: skip
            if ours and for_good:
                _wipe_link(session, claim.id)
        return False
    return True


def _wipe_link(session: Session, message_id: int) -> None:
    """A link that opens something does not stay with a mail that will not be sent.

    The rest of the message stays: an invitation makes its link when it is sent, and the desk may
    have it tried again.
    """
    row = session.get_one(OutboxMessage, message_id)
    if row.topic in _WITH_LINK and "link" in row.payload:
        row.payload = {key: value for key, value in row.payload.items() if key != "link"}
        session.flush()


def _read(claim: Claim) -> _Row:
    with reading() as connection:
        found = connection.execute(_ROW, {"id": claim.id}).one()
    return _Row(*found)


def _send_mail(parts: Parts, claim: Claim, row: _Row, now: datetime) -> None:
    if row.topic in _WITH_LINK and "link" not in row.payload:
        raise DeliveryRefused("its link was wiped when it failed: the person needs a new one")
    message = read_message(row.topic, row.payload, parts.settings.public_url)
    if isinstance(message, SignInLinkMail):
        _refuse_late(message, row, now)
    settings = parts.settings
    mail = render_mail(
        message,
        recipient=row.recipient,
        locale=row.locale,
        vendor=parts.catalogue.vendor,
        message_id=message_id_of(row.id, row.created_at, settings.mail.sender, settings.public_url),
        attachments=_attachments(parts, message, row),
    )
    parts.mail.send(mail)
    # A link that signs somebody in does not stay in the database.
    wiped: dict[str, Any] = {"payload": {}} if message.has_secret else {}
    with transaction() as session:
        if not finish(session, OutboxMessage, claim, now=now, **wiped):
            log.warning("outbox message %s: sent after its lease was lost", claim.id)


def _refuse_late(message: SignInLinkMail, row: _Row, now: datetime) -> None:
    if now > row.created_at + timedelta(minutes=message.minutes):
        raise DeliveryTooLate("the link has expired")


def _attachments(parts: Parts, message: MailMessage, row: _Row) -> tuple[Attachment, ...]:
    if isinstance(message, CreditNoteIssued):
        return _credit_note(parts, message, row)
    if (
        not isinstance(message, Receipt | RenewalInvoice | TopUpDone | OrderInvoice)
        or not message.invoice_id
        or row.account_id is None
    ):
        return ()
    vendor = parts.catalogue.vendor
    with reading() as connection:
        invoice = get_invoice_by_id(
            connection, row.account_id, message.invoice_id, vendor.time_zone
        )
    if invoice is None:
        raise BadPayload(f"{message.topic}: the account has no invoice {message.invoice_id}")
    pdf = render_invoice(invoice, vendor.accent)
    return (Attachment(invoice_filename(invoice.number), "application/pdf", pdf),)


def _credit_note(parts: Parts, message: CreditNoteIssued, row: _Row) -> tuple[Attachment, ...]:
    with reading() as connection:
        number = message.credit_note_number
        note = get_credit_note(connection, row.account_id or 0, number)
    if note is None:
        raise BadPayload(f"{message.topic}: the account has no credit note {number}")
    pdf = render_invoice(note, parts.catalogue.vendor.accent)
    return (Attachment(invoice_filename(note.number), "application/pdf", pdf),)


def _send_entitlement(parts: Parts, claim: Claim, row: _Row, now: datetime) -> None:
    subscription_id, version = _subject(row)
    with reading() as connection:
        product_key = connection.scalar(_PRODUCT_KEY, {"id": subscription_id})
    if product_key is None:
        raise DeliveryRefused(f"there is no subscription {subscription_id}")
    try:
        url = parts.catalogue.product(product_key).entitlement_url
    except KeyError as error:
        raise DeliveryRefused(str(error)) from error
    if url is not None:
        _post(parts, url, row, subscription_id, version, now)
    with transaction() as session:
        acknowledge_entitlement(session, subscription_id, version, now)
        if not finish(session, OutboxMessage, claim, now=now):
            # The other worker acknowledges; doing it twice is harmless, but one of us is enough.
            session.rollback()


def _post(
    parts: Parts, url: str, row: _Row, subscription_id: int, version: int, now: datetime
) -> None:
    """Tell the product; 2xx acknowledges, everything else is tried again."""
    secret = parts.settings.entitlement_secret
    if not secret:
        raise RuntimeError("ENTITLEMENT_SECRET is missing: entitlement messages are signed with it")
    import requests

    body = json.dumps(
        {**row.payload, "subscription_id": subscription_id, "version": version},
        ensure_ascii=False,
        separators=(",", ":"),
        sort_keys=True,
    ).encode("utf-8")
    answer = requests.post(
        url,
        data=body,
        headers={
            "Content-Type": "application/json",
            SIGNATURE_HEADER: sign_entitlement(secret, body, int(now.timestamp())),
            DELIVERY_HEADER: row.dedupe_key or str(row.id),
        },
        timeout=(_CONNECT_SECONDS, _READ_SECONDS),
        allow_redirects=False,
    )
    if not answer.ok or answer.is_redirect:
        raise RuntimeError(f"{url} answered {answer.status_code}")


def sign_entitlement(secret: str, body: bytes, at: int) -> str:
    """The signature header: `t=<seconds>,v1=<hex HMAC-SHA256 of "seconds.body">`."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _subject(row: _Row) -> tuple[int, int]:
    """Subscription and version, from the key that `request_entitlement` gave the message."""
    try:
        _word, subscription_id, version = (row.dedupe_key or "").split(":")
        return int(subscription_id), int(version)
    except ValueError as error:
        raise DeliveryRefused(f"not an entitlement key: {row.dedupe_key!r}") from error
