"""The e-mails around the end of a subscription (C3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from portal.languages import Language
from portal.mail.message import MailMessage

__all__ = ["CancellationConfirmed", "CancellationUndone", "SubscriptionEnding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationConfirmed(MailMessage):
    """To keep: what was cancelled by whom and when, its last day, the data, the way back.

    Days are ISO dates of the account; `credited` is the number of a renewal invoice that was
    issued ahead and is not to be paid any more, else empty.
    """

    topic = "cancellation_confirmed"
    account_name: str
    product: str
    asked_by: str
    asked_on: str
    last_day: str
    product_export_url: str
    data_export_url: str
    cancellation_url: str
    invoices_url: str
    credited: str = ""

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "%(product)s is cancelled: it works until %(day)s",
            product=self.product,
            day=words.day(date.fromisoformat(self.last_day)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationUndone(MailMessage):
    """The cancellation was taken back: the subscription renews on `renews_on`."""

    topic = "cancellation_undone"
    account_name: str
    product: str
    undone_by: str
    undone_on: str
    renews_on: str
    licences_url: str

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("%(product)s goes on: the cancellation was taken back", product=self.product)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionEnding(MailMessage):
    """Some days before the end: the last reminder to download the data."""

    topic = "subscription_ending"
    account_name: str
    product: str
    last_day: str
    product_export_url: str
    data_export_url: str
    cancellation_url: str

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "%(product)s ends on %(day)s: download your data",
            product=self.product,
            day=words.day(date.fromisoformat(self.last_day)),
        )
