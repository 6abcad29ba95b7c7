"""Forms of an offer: a line of the catalogue, one of free words, discounts, sending it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from flask_babel import lazy_gettext as _l
from wtforms import DateField, HiddenField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from portal.domain.errors import DomainError, Problem, Rejected
from portal.domain.money import Money, minor_digits
from portal.domain.offers import Discount
from portal.domain.quantities import parse_quantity
from portal.domain.seats import MAXIMUM_SEATS
from portal.domain.wishes import Free
from portal.formats import format_typed
from portal.queries.quote_drafts import DraftLine
from portal.web.amounts import typed_amount, understood_amount
from portal.web.checkout.forms import required
from portal.web.forms import PortalForm
from portal.web.locale import speech

__all__ = ["LONGEST_MESSAGE", "DiscountForm", "FreeForm", "LineForm", "SendForm", "discount_form"]

LONGEST_MESSAGE = 2000
_LONGEST_PERCENT = 8
_SIGNS = frozenset("0123456789.,")


class LineForm(PortalForm):
    """What is offered, by its option, and how many."""

    what = StringField(_l("What"))
    quantity = StringField(_l("How many"))

    def number(self) -> int:
        """How many; Rejected on `quantity` where that cannot be understood. Empty is one."""
        try:
            return parse_quantity(self.quantity.data or "1", minimum=1, maximum=MAXIMUM_SEATS)
        except DomainError as error:
            raise Rejected([Problem("quantity", error.code, error.data)]) from None


class FreeForm(PortalForm):
    """A line in the account executive's own words."""

    text = StringField(
        _l("What it is"), [*required(_l("Enter what it is.")), Length(max=120)]
    )  # fmt: skip
    pieces = StringField(_l("How many"))
    unit_price = StringField(_l("Price of one, without VAT"))

    def wish(self, currency: str) -> Free:
        """The line; Rejected names each field that cannot be understood."""
        problems: list[Problem] = []
        pieces, unit = 1, Money.zero(currency)
        try:
            pieces = parse_quantity(self.pieces.data or "1", minimum=1, maximum=MAXIMUM_SEATS)
        except DomainError as error:
            problems.append(Problem("pieces", error.code, error.data))
        try:
            unit = understood_amount(self.unit_price.data or "", currency)
            self.unit_price.data = typed_amount(unit)
        except DomainError as error:
            problems.append(Problem("unit_price", error.code, error.data))
        if problems:
            raise Rejected(problems)
        return Free(self.text.data or "", unit.minor, pieces)


class DiscountForm(PortalForm):
    """What is taken off each line of the draft: its fields are named by the line's id."""

    def discounts(self, lines: Iterable[DraftLine], currency: str) -> dict[int, Discount]:
        """By line; `10 %` is a part, `50` an amount. Rejected names each that is neither."""
        problems: list[Problem] = []
        found: dict[int, Discount] = {}
        for line in lines:
            field = self._fields.get(_name(line.id))
            if field is None:
                found[line.id] = Discount()
                continue
            try:
                found[line.id] = _discount(field.data or "", currency)
            except DomainError as error:
                problems.append(Problem(_name(line.id), error.code, error.data))
            else:
                field.data = _typed(found[line.id], currency, speech().locale)
        if problems:
            raise Rejected(problems)
        return found


class SendForm(PortalForm):
    """How long the quote is valid, and what is said with it."""

    valid_until = DateField(_l("Valid until"), [InputRequired(_l("Enter a date."))])
    message = TextAreaField(_l("Message to the customer"), [Length(max=LONGEST_MESSAGE)])
    shown = HiddenField()


def discount_form(
    lines: Iterable[DraftLine], currency: str, locale: str, *, typed: bool
) -> DiscountForm:
    """The form for these lines: with what was `typed`, or what is taken off at present."""

    class Form(DiscountForm):
        pass

    data = {}
    for line in lines:
        setattr(Form, _name(line.id), StringField(_l("Discount")))
        data[_name(line.id)] = _typed(line.offered.discount, currency, locale)
    return Form(data=data) if typed else Form(formdata=None, data=data)


def _name(line_id: int) -> str:
    return f"discount_{line_id}"


def _typed(discount: Discount, currency: str, locale: str) -> str:
    """A discount as one types it."""
    if discount.basis_points:
        percent = Decimal(discount.basis_points) / 100
        return f"{format_typed(percent.normalize() + 0, locale)} %"
    if discount.minor:
        return format_typed(Decimal(f"{discount.minor}E-{minor_digits(currency)}"), locale)
    return ""


def _discount(text: str, currency: str) -> Discount:
    typed = text.strip()
    if not typed:
        return Discount()
    if not typed.endswith("%"):
        return Discount(minor=understood_amount(typed, currency).minor)
    number = typed[:-1].strip()
    if len(number) > _LONGEST_PERCENT or not number or set(number) - _SIGNS:
        raise DomainError("discount_malformed")
    try:
        return Discount.percent(Decimal(number.replace(",", ".")))
    except InvalidOperation:
        raise DomainError("discount_malformed") from None
