"""The form of an add-on that is bought: for how many people."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import StringField

from portal.domain.errors import DomainError, Problem, Rejected
from portal.domain.quantities import parse_quantity
from portal.domain.seats import MAXIMUM_SEATS
from portal.web.buying import BuyForm

__all__ = ["AddOnForm"]


class AddOnForm(BuyForm):
    """The number is text until it is parsed, so that what was typed is kept."""

    quantity = StringField(_l("Number of licences"))

    def licences(self) -> int:
        """The number; Rejected where it cannot be understood."""
        try:
            return parse_quantity(self.quantity.data or "", minimum=1, maximum=MAXIMUM_SEATS)
        except DomainError as error:
            raise Rejected([Problem("quantity", error.code, error.data)]) from error
