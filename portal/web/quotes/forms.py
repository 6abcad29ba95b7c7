"""Saying yes or no to a quote."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import StringField, TextAreaField
from wtforms.validators import Length

from portal.web.forms import PortalForm


class AcceptForm(PortalForm):
    """Of a customer who pays by transfer; `shown` is the key of the terms on screen (Q2)."""

    purchase_order = StringField(_l("Your purchase order number"), validators=[Length(max=60)])
    shown = StringField()


class DeclineForm(PortalForm):
    """An optional reason, for the vendor to read."""

    reason = TextAreaField(_l("Reason"), validators=[Length(max=1000)])
