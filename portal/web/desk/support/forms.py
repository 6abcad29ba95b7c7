"""The desk's forms for a message and for a service package."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import TextAreaField

from portal.web.forms import PortalForm

__all__ = ["AnswerForm"]


class AnswerForm(PortalForm):
    """What the customer reads about the package; a refusal needs it, a yes does not."""

    answer = TextAreaField(_l("Your words to the customer"))
