"""The reason for cancelling, which nobody has to give."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import HiddenField, RadioField, TextAreaField
from wtforms.validators import Length

from portal.services.cancelling import REASONS
from portal.web.forms import PortalForm

__all__ = ["CancelForm"]

_WORDS: dict[str, Any] = {
    "too_expensive": _l("It costs too much"),
    "not_used": _l("We do not use it enough"),
    "missing_feature": _l("Something that we need is missing"),
    "other_product": _l("We use another product"),
    "business_changes": _l("Our company changes or closes"),
    "other": _l("Another reason"),
}


class CancelForm(PortalForm):
    """`on` is the first day without access that the page has shown."""

    on = HiddenField()
    reason = RadioField(_l("Why do you cancel? (optional)"), default="")
    comment = TextAreaField(_l("Would you like to tell us more?"), validators=[Length(max=2_000)])

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        nothing = ("", _l("I’d rather not say"))
        self.reason.choices = [nothing, *((code, _WORDS[code]) for code in REASONS)]

    @property
    def shown_on(self) -> date | None:
        """The day in the hidden field; None where it is none."""
        try:
            return date.fromisoformat(self.on.data or "")
        except ValueError:
            return None
