"""E-mail by SMTP, through Flask-Mailman; needs an app context, which every worker has."""

from __future__ import annotations

from smtplib import SMTPRecipientsRefused

from flask_mailman import EmailMultiAlternatives

from portal.config import MailSettings
from portal.extensions import mail as mailman
from portal.mail.transport import RenderedMail

__all__ = ["MailRefused", "SmtpTransport"]

_TIMEOUT = 20  # seconds; a worker waits no longer for a silent server
_PERMANENT = 500
# Out-of-office answers are not wanted. What a person wrote goes without it: helpdesks throw away
# what says that it was made by a program.
_NOBODY_WROTE_IT = {"Auto-Submitted": "auto-generated"}


class MailRefused(Exception):
    """The server will never take this recipient: trying again is of no use."""


class SmtpTransport:
    """Sends each e-mail on a connection of its own; raises where the server did not take it."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings

    def send(self, mail: RenderedMail) -> None:
        """Hand `mail` to the server; MailRefused where the recipient is refused for good."""
        settings = self._settings
        connection = mailman.get_connection(
            "smtp",
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
