"""The e-mails about invoices of renewals and the VAT number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from portal.domain.money import Money
from portal.languages import Language
from portal.mail.message import BadPayload, MailMessage

__all__ = ["RenewalInvoice", "VatNumberInvalid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalInvoice(MailMessage):
    """The invoice of a renewal travels with it as PDF (I3).

    `balance_minor` of it was paid from the account's balance. The rest `will_be_collected` from
    the account's payment method; else it is to be transferred by `due_on` (ISO) with `reference`,
    unless it is `left_open`: less than can be charged, and not asked for.
    """

    topic = "renewal_invoice"
    account_name: str
    invoice_id: int
    invoice_number: str
    invoice_url: str
    payment_method_url: str
    currency: str
    gross_minor: int
    due_on: str
    will_be_collected: bool
    balance_minor: int = 0
    left_open: bool = False
    reference: str = ""

    @property
    def gross(self) -> Money:
        """The invoice's total."""
        return Money(self.gross_minor, self.currency)

    @property
    def balance(self) -> Money:
        """What the account's balance paid of it."""
        return Money(self.balance_minor, self.currency)

    @property
    def rest(self) -> Money:
        """What is to be paid."""
        return self.gross - self.balance

    @property
    def due(self) -> date:
        """When it is due; BadPayload where the day is none."""
        try:
            return date.fromisoformat(self.due_on)
        except ValueError as error:
            raise BadPayload(f"{self.topic}: due_on is no day: {self.due_on!r}") from error

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "Invoice %(number)s: %(amount)s",
            number=self.invoice_number,
            amount=words.money(self.gross),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VatNumberInvalid(MailMessage):
    """VIES or an operator found that the account's VAT number is not valid (I4)."""

    topic = "vat_number_invalid"
    account_name: str
    vat_number: str
    billing_details_url: str

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("The VAT number of %(account)s is not valid", account=self.account_name)
