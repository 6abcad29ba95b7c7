"""The sign-in form."""

from __future__ import annotations

import re

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import EmailField, HiddenField, ValidationError
from wtforms.validators import InputRequired, Length

from portal.web.forms import PortalForm

__all__ = ["SignInForm"]

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


class SignInForm(PortalForm):
    """An e-mail address, and the page that was wanted."""

    email = EmailField(
        _l("E-mail address"), [InputRequired(_l("Enter your e-mail address.")), Length(max=254)]
    )
    next = HiddenField(validators=[Length(max=1000)])

    def validate_email(self, field: EmailField) -> None:
        if not _ADDRESS.fullmatch(field.data or ""):
            raise ValidationError(_("Enter an e-mail address like name@example.com."))
