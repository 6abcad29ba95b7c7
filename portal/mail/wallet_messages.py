"""The e-mails of the wallet: few credits left, filled up by itself, could not be filled up (W3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from portal.domain.money import Money
from portal.languages import Language
from portal.mail.dunning_messages import why_unpaid
from portal.mail.message import BadPayload, MailMessage
from portal.wording import method_words

__all__ = ["LowBalance", "TopUpDone", "TopUpFailed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wallet(MailMessage):
    """What each of them knows; `balance` is the credits that were left when it was written."""

    account_name: str
    balance: int
    wallet_url: str

    def left(self, words: Language) -> str:
        """The balance as a sentence."""
        return words.ngettext(
            "%(credits)s credit is left in the wallet of %(account)s.",
            "%(credits)s credits are left in the wallet of %(account)s.",
            self.balance,
            credits=words.integer(self.balance),
            account=self.account_name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LowBalance(_Wallet):
    """Few credits are left, and nothing fills them up. `why` is `used`, `refused` (what would have
    cost `refused` credits), or what keeps the automatic top-up from helping: cap, no_method,
    not_sold, owed, suspended."""

    topic = "low_balance"
    wallet_buy_url: str
    why: str = "used"
    refused: int = 0

    def subject(self, words: Language) -> str:
        _ = words.gettext
        if self.refused:
            return _("Something was refused: there are too few credits in your wallet")
        return words.ngettext(
            "%(credits)s credit is left in your wallet",
            "%(credits)s credits are left in your wallet",
            self.balance,
            credits=words.integer(self.balance),
        )

    def because(self, words: Language) -> str:
        """What was refused, or why no pack was bought by itself; empty where that is switched off."""
        _ = words.gettext
        match self.why:
            case "refused":
                return words.ngettext(
                    "Something that costs %(credits)s credit was refused just now.",
                    "Something that costs %(credits)s credits was refused just now.",
                    self.refused,
                    credits=words.integer(self.refused),
                )
            case "cap":
                return _("The automatic top-up has reached its limit of this month.")
            case "no_method":
                return _("The automatic top-up has no payment method that could be charged.")
            case "not_sold":
                return _("The pack of your automatic top-up is not sold any more.")
            case "owed":
                return _("The automatic top-up waits: the invoice of an earlier one is not paid.")
            case "suspended":
                return _("The automatic top-up waits: an invoice is not paid.")
            case _:
                return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _TopUp(_Wallet):
    """A pack of `credits` for `gross_minor`."""

    credits: int
    currency: str
    gross_minor: int

    @property
    def gross(self) -> Money:
        """What it costs, with VAT."""
        return Money(self.gross_minor, self.currency)

    def bought(self, words: Language) -> str:
        """The pack in words: 2,000 credits."""
        return words.ngettext("%(count)s credit", "%(count)s credits", self.credits,
                              count=words.integer(self.credits))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpDone(_TopUp):
    """The receipt of a top-up; its invoice travels with it as PDF.

    `invoice_status` is `paid`, or `pending` where an accepted debit still has to arrive.
    """

    topic = "top_up_done"
    invoice_id: int
    invoice_number: str
    invoice_url: str
    invoice_status: str = "paid"
    method: Mapping[str, str] | None = None

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "Your wallet was topped up: %(credits)s for %(amount)s",
            credits=self.bought(words),
            amount=words.money(self.gross),
        )

    def left(self, words: Language) -> str:
        """The balance as a sentence."""
        return words.ngettext(
            "There is now %(credits)s credit in the wallet of %(account)s.",
            "There are now %(credits)s credits in the wallet of %(account)s.",
            self.balance,
            credits=words.integer(self.balance),
            account=self.account_name,
        )

    def paid_with(self, words: Language) -> str:
        """The payment method in words; empty where it is not known any more."""
        if not self.method:
            return ""
        return method_words(
            words, self.method.get("kind", ""), self.method.get("brand", ""),
            self.method.get("last4", ""),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpFailed(_TopUp):
    """A top-up could not be collected. `retry_on` is the account's day of the next try, as ISO date;
    empty where the automatic top-up is off now."""

    topic = "top_up_failed"
    payment_method_url: str
    auto_top_up_url: str
    wallet_buy_url: str
    reason: str = ""
    retry_on: str = ""

    def subject(self, words: Language) -> str:
        _ = words.gettext
        if not self.retry_on:
            return _("The automatic top-up of your wallet is off now")
        return _("Your wallet could not be topped up")

    def because(self, words: Language) -> str:
        """The decline as a sentence; what the bank does not tell stays general."""
        return why_unpaid(self.reason, words)

    @property
    def next_try(self) -> date | None:
        """The day of the next try; BadPayload where it is no day."""
        try:
            return date.fromisoformat(self.retry_on) if self.retry_on else None
        except ValueError as error:
            raise BadPayload(f"{self.topic}: retry_on is no day: {self.retry_on!r}") from error
