"""The demo's mailbox: every e-mail is kept to be read at /demo/mailbox instead of being sent."""

from __future__ import annotations

from base64 import b64encode

from sqlalchemy import select

from portal.clock import clock
from portal.db import transaction
from portal.mail.transport import RenderedMail
from portal.models import DemoMail

__all__ = ["DemoMailbox"]


class DemoMailbox:
    """Writes DemoMail rows, each in a transaction of its own; a repeated Message-ID is one mail."""

    def __init__(self, sender: str) -> None:
        self._sender = sender

    def send(self, mail: RenderedMail) -> None:
        """Keep `mail`."""
        with transaction() as session:
            there = select(DemoMail.id).where(DemoMail.message_id == mail.message_id)
            if session.scalar(there) is not None:
                return
            session.add(
                DemoMail(
                    sent_at=clock.now(),
                    recipient=mail.recipient,
                    sender=self._sender,
                    reply_to=mail.reply_to,
                    subject=mail.subject,
                    locale=mail.locale,
                    text_body=mail.text,
                    html_body=mail.html,
                    message_id=mail.message_id,
                    attachments=[
                        {
                            "filename": each.filename,
                            "media_type": each.media_type,
                            "size": len(each.content),
                            "content": b64encode(each.content).decode("ascii"),
                        }
                        for each in mail.attachments
                    ],
                )
            )
