"""E-mail by SMTP, through Flask-Mailman; needs an app context, which every worker has."""

from __future__ import annotations

import smtplib
import ssl
from smtplib import SMTPRecipientsRefused

from flask_mailman import EmailMultiAlternatives
from flask_mailman.backends.smtp import EmailBackend

from portal.config import MailSettings
from portal.mail.transport import RenderedMail

__all__ = ["MailRefused", "SmtpTransport"]

_TIMEOUT = 20  # seconds; a worker waits no longer for a silent server
_PERMANENT = 500
# Out-of-office answers are not wanted. What a person wrote goes without it: helpdesks throw away
# what says that it was made by a program.
_NOBODY_WROTE_IT = {"Auto-Submitted": "auto-generated"}


class MailRefused(Exception):
    """The server will never take this recipient: trying again is of no use."""


class _VerifyingSMTP(smtplib.SMTP):
    """SMTP whose STARTTLS is only taken from the server that was meant.

    Without a context smtplib encrypts towards whoever answers, and Flask-Mailman gives it none:
    the password and every sign-in link would be for anybody on the way.
    """

    def starttls(  # type: ignore[override]  # key files are gone in Python 3.12
        self, *, context: ssl.SSLContext | None = None
    ) -> tuple[int, bytes]:
        """As smtplib's; ssl.SSLCertVerificationError (an OSError) for a wrong certificate."""
        return super().starttls(context=context or ssl.create_default_context())


class _VerifyingBackend(EmailBackend):
    """Flask-Mailman's, which makes its connections with the class above."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        """SMTP_SSL gets a verifying context of Flask-Mailman itself."""
        return smtplib.SMTP_SSL if self.use_ssl else _VerifyingSMTP


class SmtpTransport:
    """Sends each e-mail on a connection of its own; raises where the server did not take it."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings

    def send(self, mail: RenderedMail) -> None:
        """Hand `mail` to the server; MailRefused where the recipient is refused for good."""
        settings = self._settings
        connection = _VerifyingBackend(
            host=settings.host,
            port=settings.port,
            username=settings.username,
            password=settings.password,
            use_tls=settings.security == "starttls",
            use_ssl=settings.security == "tls",
            timeout=_TIMEOUT,
        )
        message = EmailMultiAlternatives(
            mail.subject,
            mail.text,
            settings.sender,
            [mail.recipient],
            connection=connection,
            reply_to=[mail.reply_to] if mail.reply_to else None,
            headers={
                "Message-ID": mail.message_id,
                "Content-Language": mail.locale,
                **({} if mail.reply_to else _NOBODY_WROTE_IT),
            },
        )
        message.attach_alternative(mail.html, "text/html")
        for each in mail.attachments:
            message.attach(each.filename, each.content, each.media_type)
        try:
            taken = message.send()
        except SMTPRecipientsRefused as error:
            code, answer = next(iter(error.recipients.values()))
            if code >= _PERMANENT:
                raise MailRefused(f"{code} {answer.decode('utf-8', 'replace')}") from error
            raise
        if not taken:
            raise MailRefused("the message has no recipient")
