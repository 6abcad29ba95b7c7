"""The e-mails about the payment method: it will have expired, none is saved, or it is lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from portal.languages import Language
from portal.mail.message import BadPayload, MailMessage
from portal.wording import method_words

__all__ = ["CardExpiring", "PaymentMethodLost", "PaymentMethodMissing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardExpiring(MailMessage):
    """The card will have expired when the renewal on `renews_on` (ISO) is charged."""

    topic = "card_expiring"
    account_name: str
    brand: str
    last4: str
    expires_year: int
    expires_month: int
    renews_on: str
    payment_method_url: str

    @property
    def renewal(self) -> date:
        """The renewal's date; BadPayload where it is none."""
        return _day(self.topic, self.renews_on)

    @property
    def expires(self) -> str:
        """The last month, as cards write it."""
        return f"{self.expires_month:02d}/{self.expires_year}"

    def method(self, words: Language) -> str:
        """The card in words."""
        return method_words(words, "card", self.brand, self.last4)

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("Your card expires before the renewal on %(day)s", day=words.day(self.renewal))


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodMissing(MailMessage):
    """No method is saved, and the renewal on `renews_on` (ISO) needs one."""

    topic = "payment_method_missing"
    account_name: str
    renews_on: str
    payment_method_url: str

    @property
    def renewal(self) -> date:
        """The renewal's date; BadPayload where it is none."""
        return _day(self.topic, self.renews_on)

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "A payment method is needed for the renewal on %(day)s", day=words.day(self.renewal)
        )


def _day(topic: str, iso: str) -> date:
    try:
        return date.fromisoformat(iso)
    except ValueError as error:
        raise BadPayload(f"{topic}: renews_on is no day: {iso!r}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodLost(MailMessage):
    """The provider cannot charge the method any more; another one is needed."""

    topic = "payment_method_lost"
    account_name: str
    kind: str
    brand: str
    last4: str
    payment_method_url: str

    def method(self, words: Language) -> str:
        """The method in words."""
        return method_words(words, self.kind, self.brand, self.last4)

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("%(account)s needs another payment method", account=self.account_name)
