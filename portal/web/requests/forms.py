"""Forms of change requests: what is asked, and a message about it."""

from __future__ import annotations

from collections.abc import Sequence

from flask_babel import lazy_gettext as _l
from wtforms import RadioField, StringField, TextAreaField
from wtforms.validators import Length

from portal.domain.errors import DomainError, Problem, Rejected
from portal.domain.quantities import parse_quantity
from portal.domain.requests import RequestKind
from portal.domain.seats import MAXIMUM_SEATS
from portal.web.checkout.forms import required
from portal.web.forms import PortalForm

__all__ = ["RequestForm", "SayForm", "WordsForm", "request_form"]

_LONGEST_PURCHASE_ORDER = 60


class WordsForm(PortalForm):
    """What only words can tell."""

    details = TextAreaField(_l("What you need"), required(_l("Enter what you need.")))
    purchase_order = StringField(
        _l("Your purchase order number"), [Length(max=_LONGEST_PURCHASE_ORDER)]
    )


class RequestForm(PortalForm):
    """How many licences, or which plan or billing period; words are welcome.

    The number is a text until it is parsed, so that what was typed is kept.
    """

    quantity = StringField(_l("How many licences"))
    target = RadioField(_l("Which one"), choices=(), validate_choice=False)
    details = TextAreaField(_l("What we should know"))
    purchase_order = StringField(
        _l("Your purchase order number"), [Length(max=_LONGEST_PURCHASE_ORDER)]
    )

    def number(self) -> int:
        """How many; Rejected, field `quantity`, where that cannot be understood."""
        try:
            return parse_quantity(self.quantity.data or "", minimum=1, maximum=MAXIMUM_SEATS)
        except DomainError as error:
            raise Rejected([Problem("quantity", error.code, error.data)]) from None


class SayForm(PortalForm):
    """A message about a request, from either side."""

    text = TextAreaField(_l("Your message"), required(_l("Enter your message.")))


def request_form(kind: RequestKind, targets: Sequence[tuple[str, str]]) -> RequestForm | WordsForm:
    """The form of a kind; `targets` are the plans or billing periods to choose from."""
    if kind is RequestKind.OTHER:
        return WordsForm()
    form = RequestForm()
    form.target.choices = list(targets)
    return form
