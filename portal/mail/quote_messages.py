"""The e-mails of quotes, and of orders that are paid by transfer. Days are ISO dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from portal.domain.money import Money
from portal.languages import Language
from portal.mail.message import MailMessage

__all__ = ["OrderInvoice", "OrderLapsed", "OrderUnpaid", "QuoteAnswered", "QuoteExpiring",
           "QuotePrepared"]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotePrepared(MailMessage):
    """The account executive made a quote: what it comes to, and how long it is valid."""

    topic = "quote_prepared"
    account_name: str
    quote_number: str
    quote_url: str
    currency: str
    gross_minor: int
    valid_until: str
    sender: str
    message: str = ""
    sender_email: str = ""

    @property
    def answers_go_to(self) -> str:
        return self.sender_email

    @property
    def gross(self) -> Money:
        """The total on the day on which it was made."""
        return Money(self.gross_minor, self.currency)

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("Quote %(number)s: %(amount)s", number=self.quote_number,
                 amount=words.money(self.gross))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteExpiring(MailMessage):
    """A quote that nobody answered ends in some days."""

    topic = "quote_expiring"
    account_name: str
    quote_number: str
    quote_url: str
    currency: str
    gross_minor: int
    valid_until: str

    @property
    def gross(self) -> Money:
        """The total as of today."""
        return Money(self.gross_minor, self.currency)

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("Quote %(number)s ends on %(day)s", number=self.quote_number,
                 day=words.day(date.fromisoformat(self.valid_until)))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteAnswered(MailMessage):
    """For the account executive who made the quote; `answer` is accepted, declined or expired."""

    topic = "quote_answered"
    account_name: str
    quote_number: str
    desk_quote_url: str
    answer: str
    by: str = ""
    reason: str = ""

    def subject(self, words: Language) -> str:
        _ = words.gettext
        facts = {"account": self.account_name, "number": self.quote_number}
        if self.answer == "accepted":
            return _("%(account)s accepted quote %(number)s", **facts)
        if self.answer == "declined":
            return _("%(account)s declined quote %(number)s", **facts)
        return _("Quote %(number)s for %(account)s has expired", **facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderInvoice(MailMessage):
    """The open invoice of an order travels with it as PDF: what works once it is paid (I3)."""

    topic = "order_invoice"
    account_name: str
    order_number: str
    order_url: str
    invoice_id: int
    invoice_number: str
    invoice_url: str
    currency: str
    gross_minor: int
    due_on: str

    @property
    def gross(self) -> Money:
        """What is to be transferred."""
        return Money(self.gross_minor, self.currency)

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("Invoice %(number)s: %(amount)s", number=self.invoice_number,
                 amount=words.money(self.gross))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLapsed(MailMessage):
    """The money had not come by the renewal: the order and its invoice are no more (Q3)."""

    topic = "order_lapsed"
    account_name: str
    order_number: str
    order_url: str
    invoice_number: str
    currency: str
    gross_minor: int

    @property
    def gross(self) -> Money:
        """What the invoice asked for."""
        return Money(self.gross_minor, self.currency)

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("Order %(number)s was not paid and has lapsed", number=self.order_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUnpaid(MailMessage):
    """An order waits for its transfer: `kind` says whether it is `due` soon or `overdue`.

    `lapses_on` is the renewal with which it lapses, an ISO day, empty where there is none; `goods`
    is what was ordered, as the invoice says it.
    """

    topic = "order_unpaid"
    kind: str
    account_name: str
    order_number: str
    order_url: str
    invoice_number: str
    invoice_url: str
    currency: str
    owed_minor: int
    due_on: str
    goods: str
    reference: str
    lapses_on: str = ""
    iban: str = ""
    bic: str = ""

    @property
    def owed(self) -> Money:
        """What is still to be transferred."""
        return Money(self.owed_minor, self.currency)

    def subject(self, words: Language) -> str:
        _ = words.gettext
        if self.kind == "overdue":
            return _("Invoice %(number)s is overdue", number=self.invoice_number)
        return _("Please transfer %(amount)s by %(day)s", amount=words.money(self.owed),
                 day=words.day(self.last_day))  # fmt: skip

    @property
    def last_day(self) -> date:
        """By when the money is to be there: when it is due, and before the renewal."""
        due = date.fromisoformat(self.due_on)
        if not self.lapses_on:
            return due
        return min(due, date.fromisoformat(self.lapses_on) - timedelta(days=1))

    def what_else(self, words: Language) -> str:
        """What happens if nothing arrives."""
        _ = words.gettext
        if not self.lapses_on:
            return _("What you ordered works as soon as the money has arrived.")
        return _(
            "What you ordered works as soon as the money has arrived. If it has not arrived by the renewal of %(day)s, the order lapses and its invoice is credited.",
            day=words.day(date.fromisoformat(self.lapses_on)),
        )
