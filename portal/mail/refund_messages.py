"""The e-mails about credit notes and about money that goes back (I2, M6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from portal.domain.money import Money
from portal.languages import Language
from portal.mail.message import MailMessage
from portal.wording import method_words

__all__ = ["CreditNoteIssued", "RefundFailed", "RefundMade"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteIssued(MailMessage):
    """A credit note, as PDF, and where its money goes.

    `refund_minor` goes back to the payment method, `balance_minor` to the account's balance; the
    rest of `gross_minor` is no longer to be paid.
    """

    topic = "credit_note"
    account_name: str
    invoice_number: str
    credit_note_number: str
    credit_note_url: str
    currency: str
    gross_minor: int
    refund_minor: int = 0
    balance_minor: int = 0

    def money(self, minor: int) -> Money:
        """An amount in the note's currency."""
        return Money(minor, self.currency)

    @property
    def unpaid_minor(self) -> int:
        """What of it was still to be paid, and is not any more."""
        return self.gross_minor - self.refund_minor - self.balance_minor

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "Credit note %(number)s: %(amount)s",
            number=self.credit_note_number,
            amount=words.money(self.money(self.gross_minor)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refund(MailMessage):
    account_name: str
    credit_note_number: str
    credit_note_url: str
    currency: str
    amount_minor: int
    method: Mapping[str, str] | None = None

    @property
    def amount(self) -> Money:
        """What goes back."""
        return Money(self.amount_minor, self.currency)

    def method_in(self, words: Language) -> str:
        """The method in words; empty where it is not known any more."""
        if not self.method:
            return ""
        return method_words(words, self.method["kind"], self.method["brand"], self.method["last4"])


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundMade(_Refund):
    """The provider took the refund: the money is on its way to the payment method."""

    topic = "refund_made"

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("%(amount)s is on its way back to you", amount=words.money(self.amount))


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFailed(_Refund):
    """The money did not reach the method: it stands on the account's balance."""

    topic = "refund_failed"

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("%(amount)s is on your account balance", amount=words.money(self.amount))
