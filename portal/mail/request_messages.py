"""The e-mails of change requests, to the customer and to the vendor's people, and the daily digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Self

from portal.domain.money import Money
from portal.languages import Language
from portal.mail.message import BadPayload, MailMessage

__all__ = ["DeskDigest", "DeskRequestMessage", "DeskRequestStep", "DigestLine", "RequestAnswered",
           "RequestStepMail", "asked_words"]  # fmt: skip


def asked_words(words: Language, kind: str, quantity: int, label: str, target: str) -> str:
    """What is asked, in the reader's language; without `label` as far as it can be told."""
    _ = words.gettext
    if kind == "more_seats":
        if not label:
            return words.ngettext("%(num)s more licence", "%(num)s more licences", quantity)
        return words.ngettext(
            "%(num)s more licence for %(item)s", "%(num)s more licences for %(item)s", quantity,
            item=label,
        )  # fmt: skip
    if kind == "fewer_seats":
        if not label:
            return words.ngettext("%(num)s licence fewer", "%(num)s licences fewer", quantity)
        return words.ngettext(
            "%(num)s licence fewer for %(item)s", "%(num)s licences fewer for %(item)s", quantity,
            item=label,
        )  # fmt: skip
    if kind == "plan":
        return (
            _("%(new)s instead of %(old)s", new=target, old=label) if label else _("Another plan")
        )
    if kind == "period":
        if not label:
            return _("Another billing period")
        period = {"month": _("Monthly"), "quarter": _("Quarterly"), "year": _("Yearly")}
        return _(
            "Another billing period for %(item)s: %(period)s",
            item=label,
            period=period.get(target, target),
        )
    return _("Something else")


@dataclass(frozen=True, slots=True, kw_only=True)
class _AboutRequest(MailMessage):
    account_name: str
    request_number: int
    kind: str
    quantity: int = 0
    label: str = ""
    target: str = ""
    sent_on: str

    def asked(self, words: Language) -> str:
        """What is asked."""
        return asked_words(words, self.kind, self.quantity, self.label, self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class _WrittenAboutRequest(_AboutRequest):
    author_name: str
    author_email: str

    @property
    def answers_go_to(self) -> str:
        """Whoever answers by mail reaches who wrote it, or who asked."""
        return self.author_email


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStepMail(_AboutRequest):
    """Who sent a request hears how it goes on; `status` is what it has come to.

    `lapsed` and `taken_back`: its invoice was credited unpaid, by the renewal or by the desk.
    """

    topic = "request_step"
    status: str
    by: str = ""
    reason: str = ""
    effective_on: str = ""
    answers_to: str = ""
    credited_minor: int = 0
    currency: str = "EUR"
    request_url: str

    @property
    def answers_go_to(self) -> str:
        """Whoever answers by mail reaches the account executive, and not the portal."""
        return self.answers_to

    def subject(self, words: Language) -> str:
        _ = words.gettext
        number = self.request_number
        if self.status == "sent":
            return _("Your request %(number)s is on its way", number=number)
        if self.status == "preparing":
            return _("Your request %(number)s is being prepared", number=number)
        if self.status == "invoiced":
            return _("The invoice for your request %(number)s is ready", number=number)
        if self.status == "confirmed":
            return _("Your request %(number)s is confirmed", number=number)
        if self.status == "lapsed":
            return _("The invoice for your request %(number)s has lapsed", number=number)
        if self.status == "taken_back":
            return _("The invoice for your request %(number)s is taken back", number=number)
        if self.status == "declined":
            return _("Your request %(number)s is declined", number=number)
        if self.status == "withdrawn":
            return _("Your request %(number)s is withdrawn", number=number)
        return _("Your request %(number)s is done", number=number)

    def amends(self, words: Language) -> str:
        """What is credited because a request that came in time was confirmed late; else empty."""
        if not self.credited_minor:
            return ""
        return words.gettext(
            "Your request was in time for a renewal that has passed. What these licences cost since, %(amount)s without VAT, is credited.",
            amount=words.money(Money(self.credited_minor, self.currency)),
        )

    def what_now(self, words: Language) -> str:
        """What the step means for the customer, as a sentence."""
        _ = words.gettext
        if self.status == "sent":
            return _(
                "Your account executive sees to it. Nothing changes and nothing is due before you hear from us."
            )
        if self.status == "preparing":
            return _("%(name)s sees to it and gets back to you.", name=self.by)
        if self.status == "invoiced":
            return _(
                "The invoice stands in the portal and went out to whoever gets your invoices. Everything else follows by itself once the transfer has arrived."
            )
        if self.status == "confirmed":
            day = words.day(date.fromisoformat(self.effective_on))
            return _(
                "It takes effect on %(day)s. Until then everything works as it does now, and you can undo it on the licences page.",
                day=day,
            )
        if self.status == "lapsed":
            return _(
                "Its money had not arrived by the renewal, so it is credited: please do not pay it any more. Your account executive prepares the request anew, at the price of the new period."
            )
        if self.status == "taken_back":
            return _(
                "%(name)s took the order back, so its invoice is credited: please do not pay it any more. The request is being prepared again.",
                name=self.by,
            )
        if self.status == "declined":
            return _("We cannot do this, for this reason:")
        if self.status == "withdrawn":
            return _("You have taken it back. Nothing changes.")
        return _("What you asked for is done.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswered(_WrittenAboutRequest):
    """Who sent a request gets what was written to them about it."""

    topic = "request_answered"
    text: str
    request_url: str

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("About your request %(number)s", number=self.request_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskRequestStep(_WrittenAboutRequest):
    """The vendor's people hear what happened to a request: a status, or `lapsed`."""

    topic = "desk_request_step"
    happened: str
    details: str = ""
    purchase_order: str = ""
    desk_request_url: str

    def subject(self, words: Language) -> str:
        _ = words.gettext
        # The number comes first: their mailbox sorts and finds by it.
        return _(
            "[%(number)s] %(account)s: %(what)s",
            number=self.request_number,
            account=self.account_name,
            what=self.what_happened(words),
        )

    def what_happened(self, words: Language) -> str:
        """The step, in a few words."""
        _ = words.gettext
        said = {
            "sent": _("new request"),
            "preparing": _("request taken by a colleague"),
            "invoiced": _("invoice shared"),
            "paid": _("payment received"),
            "done": _("request done"),
            "confirmed": _("request confirmed"),
            "declined": _("request declined"),
            "withdrawn": _("request withdrawn"),
            "lapsed": _("invoice credited unpaid"),
        }
        return said.get(self.happened, self.happened)

    def what_now(self, words: Language) -> str:
        """What is to be done, as a sentence; empty where it is nothing."""
        _ = words.gettext
        if self.happened == "sent":
            return _(
                "The day on which it was sent counts for the notice. Deal with it on the desk."
            )
        if self.happened == "lapsed":
            return _("The invoice was credited before its money came. Price the request anew.")
        if self.happened == "paid":
            return _("The licences and the billing follow by themselves.")
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskRequestMessage(_WrittenAboutRequest):
    """The vendor's people get what a customer wrote about a request."""

    topic = "desk_request_message"
    text: str
    desk_request_url: str

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "[%(number)s] %(account)s: a message about the request",
            number=self.request_number,
            account=self.account_name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestLine:
    """A request that waits; `renewal_on` is the ISO day of the renewal that it must not miss, or did."""

    account_name: str
    kind: str
    days: int
    quantity: int = 0
    renewal_on: str = ""
    missed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskDigest(MailMessage):
    """What waits for an account executive this morning.

    `lines` are the requests that a near renewal needs, and then the oldest.
    """

    topic = "desk_digest"
    name: str
    on: str
    requests: int
    overdue: int
    tasks: int
    entries: int = 0
    lines: tuple[DigestLine, ...] = ()
    desk_url: str

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        known = {each.name for each in fields(DigestLine)}
        try:
            lines = tuple(
                DigestLine(**{key: value for key, value in line.items() if key in known})
                for line in payload.get("lines", ())
            )
        except (TypeError, AttributeError) as error:
            raise BadPayload(f"desk_digest: a line is wrong ({error})") from error
        # slots=True makes the class anew, so that super() without arguments would not find it.
        return super(DeskDigest, cls).from_payload({**payload, "lines": lines})

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "What waits at your customers on %(day)s", day=words.day(date.fromisoformat(self.on))
        )

    def asked(self, line: DigestLine, words: Language) -> str:
        """What a line's request asks."""
        return asked_words(words, line.kind, line.quantity, "", "")

    def at_stake(self, line: DigestLine, words: Language) -> str:
        """What happens if nobody confirms it now; empty where nothing does."""
        _ = words.gettext
        if not line.renewal_on:
            return ""
        day = words.day(date.fromisoformat(line.renewal_on))
        if line.missed:
            return _("It counts for the renewal of %(day)s, which has passed.", day=day)
        return _("It counts for the renewal of %(day)s: confirm it before.", day=day)

    def waits(self, line: DigestLine, words: Language) -> str:
        """For how long."""
        if line.days < 1:
            return words.gettext("today")
        return words.ngettext("for %(num)s day", "for %(num)s days", line.days)
