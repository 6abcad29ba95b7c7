"""The e-mails about people: requests for consent and their answers, what changed for somebody."""

from __future__ import annotations

from dataclasses import dataclass

from portal.languages import Language
from portal.mail.message import MailMessage

__all__ = ["ConsentAnswered", "ConsentRequested", "MembershipChanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRequested(MailMessage):
    """An admin is asked to agree to `words`; the link shows them again, with two buttons (S7)."""

    topic = "consent_request"
    has_secret = True
    account_name: str
    asked_by: str
    words: str
    link: str
    days: int = 30

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "%(person)s asks for your consent in %(account)s",
            person=self.asked_by,
            account=self.account_name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentAnswered(MailMessage):
    """Who asked hears the answer: `given` or `refused`."""

    topic = "consent_answered"
    account_name: str
    name: str
    answer: str
    words: str
    members_url: str

    def subject(self, words: Language) -> str:
        _ = words.gettext
        if self.answer == "given":
            return _("%(name)s agreed", name=self.name)
        return _("%(name)s refused", name=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipChanged(MailMessage):
    """A person's place in an account changed: `role_changed`, `deactivated` or `reactivated`."""

    topic = "membership_changed"
    account_name: str
    change: str
    role: str
    by: str = ""
    licences_url: str

    def subject(self, words: Language) -> str:
        _ = words.gettext
        if self.change == "deactivated":
            return _("You are deactivated in %(account)s", account=self.account_name)
        if self.change == "reactivated":
            return _("You are active again in %(account)s", account=self.account_name)
        return _("Your role in %(account)s has changed", account=self.account_name)

    def role_words(self, words: Language) -> str:
        """What the role is and allows, as a sentence."""
        _ = words.gettext
        if self.role == "admin":
            return _(
                "You are an admin now: you can do everything for the account, its people included."
            )
        if self.role == "billing_admin":
            return _("You are a billing admin now: you manage money and licences, but not people.")
        return _("You are a member now: you see the licences and whom to ask.")
