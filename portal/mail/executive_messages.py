"""The e-mails about who serves a customer: to its admins, and to who serves it from now on."""

from __future__ import annotations

from dataclasses import dataclass

from portal.languages import Language
from portal.mail.message import MailMessage

__all__ = ["CustomerAssigned", "ExecutiveChanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutiveChanged(MailMessage):
    """The admins of a customer hear who their account executive is from now on."""

    topic = "executive_changed"
    account_name: str
    executive_name: str
    executive_email: str
    executive_phone: str = ""
    licences_url: str

    @property
    def answers_go_to(self) -> str:
        """Whoever answers reaches the new account executive."""
        return self.executive_email

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("Your account executive is now %(name)s", name=self.executive_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerAssigned(MailMessage):
    """One of the vendor's people hears of a customer that they serve from now on."""

    topic = "customer_assigned"
    account_name: str
    assigned_by: str
    desk_account_url: str

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("You now serve %(account)s", account=self.account_name)
