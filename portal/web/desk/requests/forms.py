"""The desk's forms for a request."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import TextAreaField

from portal.web.checkout.forms import required
from portal.web.forms import PortalForm

__all__ = ["DeclineForm", "ReplyForm"]


class ReplyForm(PortalForm):
    """What the customer reads under the request, and by mail."""

    text = TextAreaField(_l("Your reply"), required(_l("Enter your reply.")))


class DeclineForm(PortalForm):
    """Why it is not possible."""

    reason = TextAreaField(_l("Reason"), required(_l("Enter the reason. The customer reads it.")))
