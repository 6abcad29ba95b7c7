"""Real SMTP: what the portal sends is what a server receives."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Flask

from portal.config import MailSettings
from portal.extensions import mail as mailman
from portal.mail.smtp import MailRefused, SmtpTransport
from portal.mail.transport import Attachment, RenderedMail


class Inbox:
    """An SMTP server's memory; refuses whom it is told to."""

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.refused = {"gone@x.example": "550 no such user", "full@x.example": "452 later"}

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.received.append(parsed)
        return "250 OK"


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    handler = Inbox()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, port
    controller.stop()


@pytest.fixture
def in_app() -> Iterator[None]:
    app = Flask("smtp")
    app.config["TESTING"] = True
    mailman.init_app(app)
    with app.app_context():
        yield


def letter(recipient: str = "lotte@x.example") -> RenderedMail:
    return RenderedMail(
        recipient=recipient,
        subject="Ihre Rechnung über 95,74 € – Müller & Söhne",
        text="Grüße, façade, перевод\n",
        html="<!doctype html><html lang='de'><body><h1>Grüße</h1></body></html>",
        locale="de",
        message_id="<7.1.portal@kanto.example>",
        attachments=(Attachment("KAN-2026-00012.pdf", "application/pdf", b"%PDF-1.7 \x00\xff"),),
    )


def test_a_mail_arrives_whole(inbox: tuple[Inbox, int], in_app: None) -> None:
    handler, port = inbox
    settings = MailSettings(host="127.0.0.1", port=port, sender="portal@kanto.example")
    SmtpTransport(settings).send(letter())
    [received] = handler.received
    assert received["Subject"].strip() == "Ihre Rechnung über 95,74 € – Müller & Söhne"
    assert received["Message-ID"] == "<7.1.portal@kanto.example>"
    assert received["To"] == "lotte@x.example"
    assert received["From"] == "portal@kanto.example"
    assert received["Date"]
    assert received["Auto-Submitted"] == "auto-generated"
    text = received.get_body(("plain",))
    html = received.get_body(("html",))
    assert text is not None
    assert "façade, перевод" in text.get_content()
    assert html is not None
    assert "<h1>Grüße</h1>" in html.get_content()
    [attached] = list(received.iter_attachments())
    assert attached.get_filename() == "KAN-2026-00012.pdf"
    assert attached.get_content() == b"%PDF-1.7 \x00\xff"


def test_what_a_person_wrote_is_answered_to_them_and_is_no_automatic_mail(
    inbox: tuple[Inbox, int], in_app: None
) -> None:
    """A helpdesk throws away what says that a program made it."""
    handler, port = inbox
    transport = SmtpTransport(MailSettings(host="127.0.0.1", port=port, sender="p@kanto.example"))
    transport.send(replace(letter(), reply_to="lotte@atelier.example"))
    transport.send(letter())
    by_a_person, by_the_portal = handler.received
    assert by_a_person["Reply-To"] == "lotte@atelier.example"
    assert by_a_person["Auto-Submitted"] is None
    assert by_the_portal["Reply-To"] is None
    assert by_the_portal["Auto-Submitted"] == "auto-generated"


def test_a_recipient_refused_for_good_is_told_apart(inbox: tuple[Inbox, int], in_app: None) -> None:
    _handler, port = inbox
    transport = SmtpTransport(MailSettings(host="127.0.0.1", port=port))
    with pytest.raises(MailRefused, match="550"):
        transport.send(letter("gone@x.example"))
    with pytest.raises(Exception, match="452") as later:
        transport.send(letter("full@x.example"))
    assert not isinstance(later.value, MailRefused)


def test_a_silent_server_is_an_error_not_a_loss(in_app: None) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(OSError):  # noqa: PT011 - the system's words differ
        SmtpTransport(MailSettings(host="127.0.0.1", port=port)).send(letter())
