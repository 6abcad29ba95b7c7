"""The e-mails about money that was transferred: to the customer, and to the account executive."""

from __future__ import annotations

from dataclasses import dataclass

from portal.domain.money import Money
from portal.languages import Language
from portal.mail.message import MailMessage

__all__ = ["BalancePaidBack", "TransferBooked", "TransferReceived"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferReceived(MailMessage):
    """A transfer arrived: it paid an invoice, or a part of it; `balance_minor` of it is left over.

    Without an invoice all of it stands on the account's balance. `left_minor` is still to be paid.
    """

    topic = "transfer_received"
    account_name: str
    amount_minor: int
    currency: str
    left_minor: int = 0
    balance_minor: int = 0
    invoice_number: str = ""
    invoice_url: str = ""

    def money(self, minor: int) -> Money:
        """An amount of its currency."""
        return Money(minor, self.currency)

    def subject(self, words: Language) -> str:
        _ = words.gettext
        amount = words.money(self.money(self.amount_minor))
        if self.invoice_number:
            return _(
                "%(amount)s arrived for invoice %(number)s",
                amount=amount,
                number=self.invoice_number,
            )
        return _("%(amount)s arrived", amount=amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferBooked(TransferReceived):
    """Somebody else at the desk booked a transfer of one of the account executive's customers."""

    topic = "transfer_booked"
    booked_by: str
    desk_payments_url: str

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "%(amount)s from %(account)s is booked",
            amount=words.money(self.money(self.amount_minor)),
            account=self.account_name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancePaidBack(MailMessage):
    """Money of the account's balance was transferred back; `left_minor` still stands on it."""

    topic = "balance_paid_back"
    account_name: str
    amount_minor: int
    currency: str
    left_minor: int = 0

    def money(self, minor: int) -> Money:
        """An amount of its currency."""
        return Money(minor, self.currency)

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "%(amount)s is on its way to your bank account",
            amount=words.money(self.money(self.amount_minor)),
        )
