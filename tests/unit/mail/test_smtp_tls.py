"""A mail goes to the server that was meant, or it stays: nobody on the way reads it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from flask import Flask
from sqlalchemy import select

from portal.config import MailSettings
from portal.db import transaction
from portal.extensions import mail as mailman
from portal.jobs.worker import run_due
from portal.mail.smtp import SmtpTransport
from portal.mail.transport import RenderedMail
from portal.models import OutboxMessage
from portal.parts import Parts
from portal.services.outbox import enqueue_mail
from tests.conftest import NOW
from tests.support.certificates import needs_openssl, self_signed, serving

pytestmark = needs_openssl


class Listener:
    """What a server got to see: passwords and mails."""

    def __init__(self, certificate: Path) -> None:
        self.certificate = certificate
        self.passwords: list[bytes] = []
        self.received: list[bytes] = []
        self.port = 0

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, auth: object
    ) -> AuthResult:
        assert isinstance(auth, LoginPassword)
        self.passwords.append(auth.password)
        return AuthResult(success=True)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.received.append(envelope.content)
        return "250 OK"

    def settings(self, security: str = "starttls") -> MailSettings:
        return MailSettings("127.0.0.1", self.port, "portal", "s3cret", security, "p@kanto.example")


def _listening(listener: Listener, free_port: int, **how: object) -> Iterator[Listener]:
    controller = Controller(listener, hostname="127.0.0.1", port=free_port, **how)
    listener.port = free_port
    controller.start()
    yield listener
    controller.stop()


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def starttls(tmp_path: Path, free_port: int) -> Iterator[Listener]:
    """A server that offers STARTTLS with a certificate of its own making."""
    listener = Listener(self_signed(tmp_path))
    yield from _listening(
        listener, free_port, tls_context=serving(listener.certificate), require_starttls=True,
        authenticator=listener.authenticate, auth_required=True,
    )  # fmt: skip


@pytest.fixture
def in_app() -> Iterator[None]:
    app = Flask("smtp")
    app.config["TESTING"] = True
    mailman.init_app(app)
    with app.app_context():
        yield


LETTER = RenderedMail(
    recipient="lotte@x.example", subject="Sign in", text="https://x.example/sign-in/TOKEN",
    html="<p>TOKEN</p>", locale="en", message_id="<1.1.p@kanto.example>", attachments=(),
)  # fmt: skip


def test_a_server_that_nobody_vouches_for_gets_neither_password_nor_mail(
    starttls: Listener, in_app: None
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="CERTIFICATE_VERIFY_FAILED"):
        SmtpTransport(starttls.settings()).send(LETTER)
    assert starttls.passwords == []
    assert starttls.received == []


def test_a_server_with_another_name_gets_nothing_either(
    starttls: Listener, in_app: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(starttls.certificate))
    settings = replace(starttls.settings(), host="localhost")  # the certificate is for 127.0.0.1
    with pytest.raises(ssl.SSLCertVerificationError, match="CERTIFICATE_VERIFY_FAILED"):
        SmtpTransport(settings).send(LETTER)
    assert (starttls.passwords, starttls.received) == ([], [])


def test_a_server_whose_certificate_is_trusted_gets_the_mail(
    starttls: Listener, in_app: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(starttls.certificate))
    SmtpTransport(starttls.settings()).send(LETTER)
    assert starttls.passwords == [b"s3cret"]
    [mail] = starttls.received
    assert b"TOKEN" in mail


def test_the_mail_waits_for_the_right_server(
    starttls: Listener, parts: Parts, app_context: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with transaction() as session:
        enqueue_mail(session, "sign_in_link", recipient="lotte@x.example", locale="de", now=NOW,
                     payload={"link": "https://x.example/s"})  # fmt: skip
    run_due(replace(parts, mail=SmtpTransport(starttls.settings())), NOW)
    with transaction() as session:
        row = session.scalars(
            select(OutboxMessage).where(OutboxMessage.recipient == "lotte@x.example")
        ).one()
        assert row.status == "waiting"
        assert "CERTIFICATE_VERIFY_FAILED" in row.last_error
        assert row.payload["link"], "it is sent once the server is put right"
    assert (starttls.passwords, starttls.received) == ([], [])
