"""The form of new seat totals: one number for each item that may grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from flask_babel import gettext as _
from wtforms import StringField

from portal.domain.errors import DomainError, Problem, Rejected
from portal.domain.quantities import parse_quantity
from portal.domain.seats import MAXIMUM_SEATS
from portal.web.forms import PortalForm
from portal.web.licences.views import SeatField

__all__ = ["SeatsForm", "seats_form"]


class SeatsForm(PortalForm):
    """New totals by item; texts until they are parsed, so that what was typed is kept."""

    def typed(self, name: str) -> str:
        """What stands in the field `name`."""
        return str(self._fields[name].data or "")

    def totals(self, fields: Sequence[SeatField]) -> dict[int, int]:
        """The new totals by item id; Rejected names each number that cannot be understood."""
        found: dict[int, int] = {}
        problems: list[Problem] = []
        for field in fields:
            try:
                total = parse_quantity(self.typed(field.name), minimum=0, maximum=MAXIMUM_SEATS)
            except DomainError as error:
                problems.append(Problem(field.name, error.code, error.data))
            else:
                found[field.item.item_id] = total
        if problems:
            raise Rejected(problems)
        return found


def seats_form(fields: Sequence[SeatField], values: Mapping[int, int]) -> SeatsForm:
    """The form for these items, filled with the present or the cart's totals."""
    texts = {
        field.name: StringField(_("%(product)s – new total", product=field.label))
        for field in fields
    }
    form_class = cast(type[SeatsForm], type("SeatsForm", (SeatsForm,), texts))
    return form_class(
        data={
            # A cart may be older than the seats that somebody else has bought meanwhile.
            field.name: str(max(values.get(field.item.item_id, 0), field.item.quantity))
            for field in fields
        }
    )
