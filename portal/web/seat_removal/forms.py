"""The form of a removal: how many, and who gives a licence back."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import SelectMultipleField, StringField

from portal.domain.errors import DomainError, Problem, Rejected
from portal.domain.quantities import parse_quantity
from portal.web.forms import PortalForm

__all__ = ["PeopleForm", "RemovalForm", "member_id"]

_LONGEST_ID = 18  # digits


def member_id(text: Any) -> int:
    """The id that a box stands for; 0, which nobody has, for what is none."""
    found = str(text or "")
    return int(found) if found.isascii() and found.isdigit() and len(found) <= _LONGEST_ID else 0


class PeopleForm(PortalForm):
    """Ticked: the members who give a licence back."""

    free = SelectMultipleField(
        _l("Who loses access"), coerce=member_id, validate_choice=False, choices=()
    )
    # What was ticked when the page was made: whoever left it so has chosen nobody.
    usual = StringField()

    @property
    def chosen(self) -> tuple[int, ...] | None:
        """The members who were ticked by hand; None where the boxes were left as they were."""
        ticked = tuple(dict.fromkeys(self.free.data or ()))
        usual = {member_id(text) for text in (self.usual.data or "").split(",") if text}
        return None if set(ticked) == usual else ticked


class RemovalForm(PeopleForm):
    """A text until it is parsed, so that what was typed is kept."""

    remove = StringField(_l("How many licences to remove"))

    def number(self, most: int) -> int:
        """How many; Rejected, field `remove`, where that cannot be understood or is too many."""
        try:
            return parse_quantity(self.remove.data or "", minimum=1, maximum=most)
        except DomainError as error:
            code, data = error.code, error.data
            if code == "quantity_too_large":
                code, data = "too_many_removed", {"maximum": most}
            raise Rejected([Problem("remove", code, data)]) from None
