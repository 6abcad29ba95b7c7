"""The e-mails of an invoice that is owed: why, how to pay, what comes next (M5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from portal.domain.money import Money
from portal.languages import Language
from portal.mail.message import BadPayload, MailMessage

__all__ = ["OwedAuthentication", "OwedEnded", "OwedFailed", "OwedLastWarning", "OwedRecovered",
           "OwedSuspended", "why_unpaid"]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owed(MailMessage):
    """What each of them knows. Days are the account's ISO dates, empty where there is none.

    `retry_on` is the next try with the present method; `access_ends_on` when access is suspended
    unless the money has come, where the invoice is for something that can be; `ends_on` the renewal with which what is suspended ends. `reason` is
    the last decline's code. Who pays by transfer (`by_transfer`) needs IBAN, BIC and reference.
    """

    account_name: str
    invoice_number: str
    invoice_url: str
    owed_url: str
    licences_url: str
    currency: str
    owed_minor: int
    access_ends_on: str
    by_transfer: bool
    reason: str = ""
    retry_on: str = ""
    ends_on: str = ""
    iban: str = ""
    bic: str = ""
    reference: str = ""

    @property
    def owed(self) -> Money:
        """What is still to be paid."""
        return Money(self.owed_minor, self.currency)

    def on(self, field: str) -> date | None:
        """The day in `field`, None where there is none; BadPayload where it is no day."""
        text = getattr(self, field)
        try:
            return date.fromisoformat(text) if text else None
        except ValueError as error:
            raise BadPayload(f"{self.topic}: {field} is no day: {text!r}") from error

    def because(self, words: Language) -> str:
        """Why nothing arrived, as a sentence; empty for a transfer."""
        _ = words.gettext
        if self.by_transfer:
            return ""
        if not self.reason:
            return _("There is no payment method that could be charged.")
        return why_unpaid(self.reason, words)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedFailed(_Owed):
    """The charge failed, or the transfer is overdue; it is tried again or waited for."""

    topic = "owed_failed"

    def subject(self, words: Language) -> str:
        _ = words.gettext
        if self.by_transfer:
            return _("Invoice %(number)s is overdue", number=self.invoice_number)
        return _("Invoice %(number)s could not be collected", number=self.invoice_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedAuthentication(_Owed):
    """The bank wants the customer to confirm the payment, on screen."""

    topic = "owed_authentication"

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("Please confirm the payment of invoice %(number)s", number=self.invoice_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedLastWarning(_Owed):
    """The last word before access is suspended."""

    topic = "owed_last_warning"

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("Last reminder: invoice %(number)s is not paid", number=self.invoice_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedSuspended(_Owed):
    """Access is suspended until the money has come."""

    topic = "owed_suspended"

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("Access is suspended: invoice %(number)s is not paid", number=self.invoice_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedRecovered(_Owed):
    """The money came: everything works."""

    topic = "owed_recovered"

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("Thank you: invoice %(number)s is settled", number=self.invoice_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedEnded(_Owed):
    """The subscription ended with the invoice unpaid; no further one comes."""

    topic = "owed_ended"

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "Your subscription has ended: invoice %(number)s was not paid",
            number=self.invoice_number,
        )


def why_unpaid(reason: str, words: Language) -> str:
    """A decline's code as a sentence; what the bank does not tell stays general."""
    _ = words.gettext
    match reason:
        case "insufficient_funds":
            return _("Your bank says that there is not enough money on the account.")
        case "expired_card" | "expired":
            return _("The card has expired.")
        case "authentication_required" | "authentication_failed" | "not_authenticated":
            return _("The payment was not confirmed with your bank.")
        case "lost_card" | "stolen_card" | "pickup_card" | "hard_decline":
            return _("Your bank does not accept this card any more.")
        case "debit_not_authorized" | "mandate_inactive":
            return _("Your bank did not allow the debit.")
        case "taken_back":
            return _("Your bank took the payment back.")
        case "method_detached" | "method_unknown":
            return _("There is no payment method that could be charged.")
        case "amount_too_small":
            return _(
                "The amount is too small to be charged to a card or bank account. Nothing was charged."
            )
        case "sepa_limit":
            return _("One SEPA debit can be at most €10,000. Use a card for this amount.")
        case "provider_failed":
            return _("Our payment provider had a fault, and nothing was charged.")
        case "abandoned" | "cancelled":
            return _("The payment was stopped before it was finished.")
        case _:
            return _("Your bank declined the payment and gave no reason.")
