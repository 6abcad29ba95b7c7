"""What an invoice's PDF and page are made from: the frozen rows of one issued invoice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from portal.domain.money import Money

__all__ = ["InvoiceDocument", "InvoiceDocumentLine", "PaidWith", "TaxRow", "tax_rows_of"]


@dataclass(frozen=True, slots=True)
class InvoiceDocumentLine:
    """One line; `description` is frozen text, amounts are minor units of the invoice's currency.

    With `days_left` and `days` the line is prorated (S2): quantity × unit × days left ÷ days.
    """

    position: int
    kind: str
    description: str
    quantity: int
    unit_minor: int
    discount_basis_points: int
    days_left: int | None
    days: int | None
    period_starts_on: date | None
    period_ends_on: date | None
    net_minor: int
    tax_rate: str
    discount_minor: int = 0

    @property
    def supplied(self) -> tuple[date, date] | None:
        """The first and the last day that the line pays for; None where it has no period."""
        if self.period_starts_on is None or self.period_ends_on is None:
            return None
        first = self.period_starts_on
        if self.days_left is not None:
            first = self.period_ends_on - timedelta(days=self.days_left)
        return first, self.period_ends_on - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TaxRow:
    """The sum of one VAT rate (I1); `rate` is in per cent."""

    rate: Decimal
    net_minor: int
    tax_minor: int


def tax_rows_of(tax: Mapping[str, Any]) -> tuple[TaxRow, ...]:
    """The sums by rate of the tax that a document has frozen (services/snapshots.tax_snapshot)."""
    return tuple(
        TaxRow(Decimal(group["rate"]), group["net_minor"], group["tax_minor"])
        for group in tax.get("groups", ())
    )


@dataclass(frozen=True, slots=True)
class PaidWith:
    """What the invoice was paid with; `brand` and `last4` are empty for a bank transfer."""

    kind: str
    brand: str = ""
    last4: str = ""


@dataclass(frozen=True, slots=True)
class InvoiceDocument:
    """An issued invoice; addresses, tax and language are those frozen in it (rule 5 of the road).

    `paid_on` is the vendor's local date, or the day on which a transfer arrived;
    `balance_used_minor` of it was paid from the account's balance. `seller` and `buyer` have the
    keys of the invoice table.
    """

    id: int
    number: str
    kind: str
    issued_on: date
    due_on: date
    currency: str
    net_minor: int
    tax_minor: int
    gross_minor: int
    treatment: str
    tax_rows: tuple[TaxRow, ...]
    locale: str
    seller: Mapping[str, str]
    buyer: Mapping[str, str]
    payment_terms: str
    payment_reference: str
    status: str
    paid_minor: int
    credited_minor: int
    paid_on: date | None
    paid_with: PaidWith | None
    order_number: str | None
    lines: tuple[InvoiceDocumentLine, ...]
    corrects_number: str = ""
    corrects_on: date | None = None
    reason: str = ""
    to_balance_minor: int = 0
    to_method_minor: int = 0
    refund_arrived: bool = False
    balance_used_minor: int = 0

    @property
    def is_credit_note(self) -> bool:
        """Whether it takes its amounts off another invoice, `corrects_number` of `corrects_on`.

        `reason` is a code of credit_note_words or text. Of what was paid on that invoice before,
        `to_method_minor` goes back to the payment method (all of it did once `refund_arrived`)
        and `to_balance_minor` to the account's balance.
        """
        return bool(self.corrects_number)

    def money(self, minor: int) -> Money:
        """An amount in the invoice's currency."""
        return Money(minor, self.currency)

    @property
    def open_minor(self) -> int:
        """What is still to be paid."""
        return max(self.gross_minor - self.credited_minor - self.paid_minor, 0)

    @property
    def supplied(self) -> tuple[date, date] | None:
        """From the first to the last day of all lines that have days."""
        days = [line.supplied for line in self.lines if line.supplied is not None]
        return (min(first for first, _ in days), max(last for _, last in days)) if days else None
