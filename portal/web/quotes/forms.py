"""Saying no to a quote."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import TextAreaField
from wtforms.validators import Length

from portal.web.forms import PortalForm


class DeclineForm(PortalForm):
    """An optional reason, for the vendor to read."""

    reason = TextAreaField(_l("Reason"), validators=[Length(max=1000)])
