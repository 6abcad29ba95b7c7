"""VAT numbers as people type them: brought to one form, and checked as far as paper allows (I4).

That a number exists and belongs to the company is for VIES or an operator to say; what passes
here is merely well formed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from stdnum.eu import vat
from stdnum.exceptions import ValidationError

from portal.domain.errors import DomainError
from portal.domain.tax import EU_COUNTRIES, VatStatus, vat_prefix

__all__ = ["FREE_TEXT_LENGTH", "KnownNumber", "check_vat_number", "plan_vat_number"]

FREE_TEXT_LENGTH = 20
"""The longest number taken from a country outside the EU."""

_TYPED_LENGTH = 40
_SEPARATORS = re.compile(r"[\s./-]")
_PREFIXES = {vat_prefix(country) for country in EU_COUNTRIES}


def check_vat_number(text: str, country: str) -> str:
    """The number in its normal form, for a party whose address is in `country` (ISO code).

    EU: form and checksum are checked, separators go, the prefix may be left out: in BE
    '0123.456.749' is 'BE0123456749', in GR 'gr 094259216' is 'EL094259216'. Elsewhere: any
    printable text of 1 to FREE_TEXT_LENGTH characters.

    DomainError `vat_number_other_country` (`country`, `prefix`), `vat_number_too_long`
    (`maximum`), or `vat_number_malformed` for the rest.
    """
    if country not in EU_COUNTRIES:
        return _free_text(text)
    if len(text) > _TYPED_LENGTH:
        raise DomainError("vat_number_malformed")
    own = vat_prefix(country)
    number = _SEPARATORS.sub("", text).upper()
    prefix = "EL" if number.startswith("GR") else number[:2]
    if prefix in _PREFIXES:
        if prefix != own:
            raise DomainError("vat_number_other_country", country=country, prefix=prefix)
        number = number[2:]
    try:
        return vat.validate(own + number)
    except ValidationError:
        raise DomainError("vat_number_malformed") from None


def _free_text(text: str) -> str:
    number = " ".join(text.split())
    if len(number) > FREE_TEXT_LENGTH:
        raise DomainError("vat_number_too_long", maximum=FREE_TEXT_LENGTH)
    if not number or not number.isprintable():
        raise DomainError("vat_number_malformed")
    return number


@dataclass(frozen=True, slots=True)
class KnownNumber:
    """A buyer's country and VAT number, and what is known of the number (I4)."""

    country: str
    number: str | None
    status: VatStatus

    @property
    def is_askable(self) -> bool:
        """Whether VIES can be asked about it: it knows the numbers of EU countries alone."""
        return self.number is not None and self.country in EU_COUNTRIES


def plan_vat_number(present: KnownNumber, text: str, country: str) -> KnownNumber:
    """What is known once `text` and `country` are the buyer's; an empty text is no number.

    What VIES or an operator said holds for exactly that number in that country (I4): a new one,
    or the old one with another country, is unchecked. DomainError as `check_vat_number`.
    """
    number = check_vat_number(text, country) if text.strip() else None
    if number == present.number and country == present.country:
        return present
    unknown = KnownNumber(country, number, VatStatus.NONE)
    return replace(unknown, status=VatStatus.UNCHECKED) if unknown.is_askable else unknown
