"""The e-mails of a trial: its end comes, it is over, it was extended (C5). Days are ISO dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from portal.languages import Language
from portal.mail.message import MailMessage

__all__ = ["TrialEnding", "TrialExtended", "TrialOver"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEnding(MailMessage):
    """Some days before the last one, and what follows it; `days` are those after today.

    `read_until_on` is the last day on which it can be read after that, else empty.
    """

    topic = "trial_ending"
    account_name: str
    product: str
    days: int
    ends_on: str
    subscribe_url: str
    trial_url: str
    product_export_url: str
    read_until_on: str = ""

    def subject(self, words: Language) -> str:
        _, ngettext = words.gettext, words.ngettext
        if self.days == 0:
            return _("Your trial of %(product)s ends today", product=self.product)
        if self.days == 1:
            return _("Your trial of %(product)s ends tomorrow", product=self.product)
        return ngettext(
            "Your trial of %(product)s ends in %(num)s day",
            "Your trial of %(product)s ends in %(num)s days",
            self.days,
            product=self.product,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOver(MailMessage):
    """Nobody bought it: it is read-only up to `read_until_on`, or has ended where that is empty."""

    topic = "trial_over"
    account_name: str
    product: str
    ends_on: str
    subscribe_url: str
    product_export_url: str
    data_export_url: str
    read_until_on: str = ""

    def subject(self, words: Language) -> str:
        _ = words.gettext
        if self.read_until_on:
            return _(
                "Your trial of %(product)s is over: you can read it until %(day)s",
                product=self.product,
                day=words.day(date.fromisoformat(self.read_until_on)),
            )
        return _("Your trial of %(product)s has ended", product=self.product)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialExtended(MailMessage):
    """There is more time: it works to the end of `ends_on`."""

    topic = "trial_extended"
    account_name: str
    product: str
    ends_on: str
    subscribe_url: str
    trial_url: str

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "Your trial of %(product)s goes on until %(day)s",
            product=self.product,
            day=words.day(date.fromisoformat(self.ends_on)),
        )
