"""What every e-mail is; the messages of each area stand beside (messages.py knows them all)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Self

from portal.languages import Language

__all__ = ["BadPayload", "MailMessage"]


class BadPayload(Exception):
    """The payload does not fit its topic; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailMessage:
    """What every e-mail is: fields for its template templates/mail/<topic>, and a subject."""

    topic: ClassVar[str]
    has_secret: ClassVar[bool] = False
    """A link in it signs somebody in: it is wiped from the outbox once it was delivered."""

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """The message out of an outbox row's JSON; keys that it does not know are left alone."""
        values: dict[str, Any] = {}
        for each in fields(cls):
            if payload.get(each.name) is not None:
                values[each.name] = _checked(cls.topic, each.name, each.type, payload[each.name])
            elif each.default is MISSING:
                raise BadPayload(f"{cls.topic}: {each.name} is missing")
        return cls(**values)

    def subject(self, words: Language) -> str:
        """The subject line in the recipient's language."""
        raise NotImplementedError

    @property
    def answers_go_to(self) -> str:
        """The address of whoever stands behind the message; empty for the portal itself."""
        return ""


def _checked(topic: str, name: str, kind: Any, value: Any) -> Any:
    # The annotations are text (from __future__ import annotations).
    if kind == "int" and (not isinstance(value, int) or isinstance(value, bool)):
        raise BadPayload(f"{topic}: {name} must be a whole number, not {value!r}")
    if kind == "str" and not isinstance(value, str):
        raise BadPayload(f"{topic}: {name} must be text, not {value!r}")
    return value
