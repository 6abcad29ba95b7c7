"""The e-mail that names who is about to lose access (S6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Self

from portal.languages import Language
from portal.mail.message import BadPayload, MailMessage

__all__ = ["AccessLoss"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLoss(MailMessage):
    """Fewer licences wait for a renewal, and these people would lose theirs at the end of it.

    `on` is the renewal's ISO date, `seats` what is left from then on; `more` people are not named.
    """

    topic = "access_loss"
    account_name: str
    product: str
    on: str
    seats: int
    people: tuple[str, ...]
    more: int
    people_url: str
    undo_url: str

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        people = payload.get("people")
        if not isinstance(people, list) or not all(isinstance(name, str) for name in people):
            raise BadPayload(f"access_loss: people must be names, not {people!r}")
        # slots=True makes the class anew, so that super() without arguments would not find it.
        return super(AccessLoss, cls).from_payload({**payload, "people": tuple(people)})

    @property
    def day(self) -> date:
        """The renewal date: access ends at its end."""
        return date.fromisoformat(self.on)

    @property
    def last_day(self) -> date:
        """The last day on which the reduction can be undone."""
        return self.day - timedelta(days=1)

    @property
    def count(self) -> int:
        """How many people lose a licence."""
        return len(self.people) + self.more

    def subject(self, words: Language) -> str:
        return words.ngettext(
            "%(num)s person loses access to %(product)s on %(day)s",
            "%(num)s people lose access to %(product)s on %(day)s",
            self.count,
            product=self.product,
            day=words.day(self.day),
        )
