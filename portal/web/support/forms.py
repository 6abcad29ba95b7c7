"""Forms of the support pages: a message, more about one, wishes for a package."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import StringField, TextAreaField

from portal.web.checkout.forms import required
from portal.web.forms import PortalForm

__all__ = ["MessageForm", "ReplyForm", "WishesForm"]


class MessageForm(PortalForm):
    """A message to the vendor."""

    about = StringField(_l("What it is about"), required(_l("Enter what it is about.")))
    text = TextAreaField(_l("Your message"), required(_l("Enter your message.")))


class ReplyForm(PortalForm):
    """What is said after a message."""

    text = TextAreaField(_l("Your reply"), required(_l("Enter your reply.")))


class WishesForm(PortalForm):
    """What the vendor should know before it looks for somebody; nothing is needed."""

    wishes = TextAreaField(_l("What we should know"))
