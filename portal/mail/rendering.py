"""From a typed message to a finished e-mail, text and HTML, in the recipient's language.

It works without a request: the templates stand in templates/mail, words and formats come from
portal.languages, the vendor's brand and address from the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from functools import cache, partial
from typing import Any, cast
from urllib.parse import urlsplit

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    pass_eval_context,
    select_autoescape,
)
from jinja2.nodes import EvalContext
from markupsafe import Markup, escape

from portal import formats
from portal.config import ROOT
from portal.domain.catalogue import Vendor
from portal.domain.money import Money
from portal.languages import Language, language
from portal.mail.messages import MailMessage
from portal.mail.transport import Attachment, RenderedMail

__all__ = ["message_id_of", "render_mail"]

# What a part of a text leaves where it says nothing.
_BLANK_LINES = re.compile(r"\n{3,}")


def render_mail(
    message: MailMessage,
    *,
    recipient: str,
    locale: str,
    vendor: Vendor,
    message_id: str,
    attachments: tuple[Attachment, ...] = (),
) -> RenderedMail:
    """`message` as it is sent to `recipient`; an unknown locale gets English."""
    words = language(locale)
    environment = _environment(words.locale)
    subject = " ".join(message.subject(words).split())  # a header is one line
    context = {
        "message": message,
        "words": words,
        "vendor": vendor,
        "subject": subject,
        "recipient": recipient,
    }
    text = environment.get_template(f"mail/{message.topic}.txt").render(context)
    html = environment.get_template(f"mail/{message.topic}.html").render(context)
    return RenderedMail(
        recipient=recipient,
        subject=subject,
        text=_BLANK_LINES.sub("\n\n", text.strip()) + "\n",
        html=html,
        locale=words.locale,
        message_id=message_id,
        attachments=attachments,
        reply_to=message.answers_go_to,
    )


def message_id_of(outbox_id: int, created_at: datetime, sender: str, public_url: str) -> str:
    """The Message-ID of an outbox row, the same at every try, so that a double is recognised."""
    domain = sender.rpartition("@")[2].strip("<> ") or "localhost"
    host = (urlsplit(public_url).hostname or "portal").replace(":", "-")
    return f"<{outbox_id}.{int(created_at.timestamp())}.{host}@{domain}>"


@cache
def _environment(locale: str) -> Environment:
    """One environment a language: its compiled templates carry that language's words."""
    words = language(locale)
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    # The i18n extension adds this method; jinja2 has no types for it.
    cast(Any, environment).install_gettext_callables(*_sentences(words), newstyle=False)
    environment.filters["money"] = _money_filter(words)
    environment.filters["day"] = _day_filter(words)
    environment.filters["integer"] = words.integer
    environment.globals["locale"] = locale
    environment.globals["colon"] = partial(formats.colon, words.locale)
    return environment


def _sentences(words: Language) -> tuple[Callable[..., str], Callable[..., str]]:
    """`_` and `ngettext` of the templates: the language's own, the values escaped where it is HTML."""

    def written(context: EvalContext, said: Callable[..., str], values: dict[str, Any]) -> str:
        if not context.autoescape:
            return said(**values)
        escaped = {name: escape(value) for name, value in values.items()}
        return Markup(said(**escaped))  # noqa: S704 - our own words, their values escaped

    @pass_eval_context
    def gettext(context: EvalContext, text: str, /, **values: Any) -> str:
        return written(context, partial(words.gettext, text), values)

    @pass_eval_context
    def ngettext(context: EvalContext, one: str, many: str, number: int, /, **values: Any) -> str:
        return written(context, partial(words.ngettext, one, many, number), values)

    return gettext, ngettext


def _money_filter(words: Language) -> Callable[..., str]:
    def money(minor: int | Money, currency: str = "") -> str:
        return words.money(minor if isinstance(minor, Money) else Money(minor, currency))

    return money


def _day_filter(words: Language) -> Callable[[date | str], str]:
    def day(on: date | str) -> str:
        return words.day(date.fromisoformat(on) if isinstance(on, str) else on)

    return day
