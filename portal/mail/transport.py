"""How an e-mail leaves the portal: SMTP in production, the demo's own mailbox in the demo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Attachment", "MailTransport", "RenderedMail"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with an e-mail."""

    filename: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class RenderedMail:
    """A finished e-mail; `message_id` is the same at every try, so that a double is recognised.

    `reply_to` is the person whose words it carries, empty where the portal speaks for itself.
    """

    recipient: str
    subject: str
    text: str
    html: str
    locale: str
    message_id: str
    attachments: tuple[Attachment, ...] = ()
    reply_to: str = ""


class MailTransport(Protocol):
    """Sends one e-mail or raises; the outbox tries again."""

    def send(self, mail: RenderedMail) -> None:
        """Hand `mail` over."""
        ...
