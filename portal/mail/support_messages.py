"""The e-mails between a customer and the vendor's people: messages and service packages."""

from __future__ import annotations

from dataclasses import dataclass

from portal.languages import Language
from portal.mail.message import MailMessage

__all__ = [
    "ServiceAnswered", "ServiceAsked", "ServiceWithdrawn", "SupportAnswered", "SupportAsked",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _FromCustomer(MailMessage):
    account_name: str
    author_name: str
    author_email: str
    desk_support_url: str = ""

    @property
    def answers_go_to(self) -> str:
        """Their answer goes to who wrote it, or asked."""
        return self.author_email


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportAsked(_FromCustomer):
    """The vendor's people get what a customer wrote: a `message`, or a `reply` that goes on with one."""

    topic = "support_asked"
    message_number: int
    about: str
    text: str
    kind: str

    def subject(self, words: Language) -> str:
        _ = words.gettext
        # The number comes first: their mailbox sorts and finds by it.
        return _(
            "[%(number)s] %(about)s (%(account)s)",
            number=self.message_number,
            about=self.about,
            account=self.account_name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportAnswered(MailMessage):
    """Who wrote to the vendor gets the answer, and the page on which it stands."""

    topic = "support_answered"
    about: str
    text: str
    answered_by: str
    support_email: str
    support_message_url: str

    @property
    def answers_go_to(self) -> str:
        """Whoever answers by mail reaches the vendor's people, and not the portal."""
        return self.support_email

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("Our answer: %(about)s", about=self.about)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAsked(_FromCustomer):
    """The vendor's people are asked for a service package; with an order it is paid already."""

    topic = "service_asked"
    request_number: int
    package: str
    wishes: str = ""
    order_number: str = ""

    def subject(self, words: Language) -> str:
        _ = words.gettext
        if self.order_number:
            return _(
                "%(account)s has bought %(package)s",
                account=self.account_name,
                package=self.package,
            )
        return _(
            "%(account)s asks for %(package)s", account=self.account_name, package=self.package
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceWithdrawn(_FromCustomer):
    """The vendor's people hear that a package that was asked for is not wanted any more."""

    topic = "service_withdrawn"
    request_number: int
    package: str

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "%(account)s does not want %(package)s any more",
            account=self.account_name,
            package=self.package,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAnswered(MailMessage):
    """Who asked for a package hears how it goes on: `confirmed`, `declined` or `done`.

    `can_be_bought` is 1 where the customer pays for it in the portal.
    """

    topic = "service_answered"
    package: str
    status: str
    answer: str = ""
    can_be_bought: int = 0
    support_email: str
    package_url: str

    @property
    def answers_go_to(self) -> str:
        """Whoever answers by mail reaches the vendor's people, and not the portal."""
        return self.support_email

    def subject(self, words: Language) -> str:
        _ = words.gettext
        if self.status == "confirmed":
            return _("We can deliver %(package)s", package=self.package)
        if self.status == "done":
            return _("%(package)s is done", package=self.package)
        return _("We cannot deliver %(package)s", package=self.package)

    def what_now(self, words: Language) -> str:
        """What the status means for the customer, as a sentence."""
        _ = words.gettext
        if self.status == "confirmed" and self.can_be_bought:
            return _(
                "All is arranged. You can buy it in the portal now, and we begin once it is paid."
            )
        if self.status == "confirmed":
            return _("All is arranged. We prepare the invoice and get in touch with you.")
        if self.status == "done":
            return _("We have delivered everything. Write to us if something is missing.")
        return _("Nothing was charged. Write to us if you would like to talk about another way.")
