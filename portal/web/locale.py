"""The language of a request: chosen and bound once, then only looked up.

Flask-Babel's own gettext costs five times the lookup. Here a request gets one `Speech` (the
messages of its language in a dict, its locale, its time zone) and the templates' `_`, `ngettext`
and formats read from that. `flask_babel.force_locale` is honoured: mails and documents that are
made inside a request speak the account's language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from babel.support import Translations
from flask import Flask, g, has_app_context, has_request_context, request, session
from flask_babel import Babel, Domain, get_locale
from markupsafe import Markup

from portal import formats
from portal.config import LOCALES, ROOT
from portal.domain.money import Money
from portal.domain.periods import Period, local_date
from portal.web.signed_in import parts, signed_in
from portal.web.templating import escape_text

__all__ = ["CHOSEN_KEY", "LANGUAGE_NAMES", "LOCALES", "SESSION_KEY", "Speech", "bind",
           "chosen_before_sign_in", "install", "is_bound", "speech", "words"]  # fmt: skip

LANGUAGE_NAMES = {
    "en": "English",
    "nl": "Nederlands",
    "fr": "Français",
    "it": "Italiano",
    "de": "Deutsch",
}
SESSION_KEY = "locale"
CHOSEN_KEY = "locale_chosen"
"""In the cookie of somebody who is not signed in and used the switcher."""


class _Words(dict[str, Markup]):
    """The templates' words in one language as markup; English stands for what is missing."""

    def __missing__(self, message: str) -> Markup:
        found = self[message] = Markup(message)  # noqa: S704 - our own words
        return found


class _Sentences(Domain):
    """Flask-Babel's own words, which routes use, written as the templates' are."""

    def gettext(self, string: str, **values: Any) -> str:
        found: str = super().gettext(string)
        return formats.filled(found, values, str(get_locale())) if values else found

    def ngettext(self, singular: str, plural: str, num: int, **values: Any) -> str:
        found: str = self.get_translations().ungettext(singular, plural, num)
        return formats.filled(found, {"num": num, **values}, str(get_locale()))


_sentences = _Sentences()


@dataclass(frozen=True, slots=True)
class Speech:
    """What speaking one language takes. `babel` is Flask-Babel's own notebook of the request."""

    locale: str
    time_zone: str
    messages: Mapping[Any, str]
    words: Mapping[str, Markup]
    plural: Callable[[int], int]
    babel: Mapping[str, Any]


_bound: ContextVar[Speech | None] = ContextVar("portal_speech", default=None)


def choose_locale() -> str:
    """A signed-in person's own language, else the browser's cookie, else what it accepts, else en."""
    who = signed_in()
    if who is not None and who.locale in LOCALES:
        return who.locale
    chosen = session.get(SESSION_KEY)
    if chosen in LOCALES:
        return str(chosen)
    return request.accept_languages.best_match(LOCALES) or "en"


def chosen_before_sign_in() -> str | None:
    """The language that was chosen in the switcher before signing in; None where nobody chose."""
    locale = session.get(SESSION_KEY)
    return str(locale) if session.get(CHOSEN_KEY) and locale in LOCALES else None


def choose_time_zone() -> str:
    """The account's time zone, else the vendor's."""
    who = signed_in()
    if who is not None and who.account is not None:
        return who.account.time_zone
    return parts().catalogue.vendor.time_zone


@lru_cache(maxsize=len(LOCALES))
def _catalogue(
    locale: str,
) -> tuple[Mapping[Any, str], Mapping[str, Markup], Callable[[int], int]]:
    loaded = Translations.load(str(ROOT / "translations"), [locale], "messages")
    messages = getattr(loaded, "_catalog", {})
    plural = getattr(loaded, "plural", None) or (lambda number: int(number != 1))
    texts = {key: text for key, text in messages.items() if key and text}
    words = _Words((key, Markup(text)) for key, text in texts.items() if isinstance(key, str))  # noqa: S704
    return texts, words, plural


def bind(locale: str | None = None, time_zone: str | None = None) -> Speech:
    """Bind the request's language, or the one given; the rest of the request speaks it."""
    if locale is not None:
        g.pop("_flask_babel", None)
    g.chosen_locale = locale or choose_locale()
    get_locale()  # makes Flask-Babel's notebook, with the same choice
    _sentences.as_default()
    bound = Speech(
        g.chosen_locale,
        time_zone or choose_time_zone(),
        *_catalogue(g.chosen_locale),
        vars(g._flask_babel),
    )
    _bound.set(bound)
    return bound


def is_bound() -> bool:
    """Whether this request speaks a language already."""
    return _bound.get() is not None


def speech() -> Speech:
    """The language in force: the request's, or a forced one, or (outside requests) Flask-Babel's."""
    bound = _bound.get()
    if bound is not None and "forced_babel_locale" not in bound.babel:
        return bound
    if bound is None and has_request_context():
        return bind()
    forced = str(get_locale() or "en") if has_app_context() else "en"
    locale = forced if forced in LOCALES else "en"
    zone = bound.time_zone if bound else parts().catalogue.vendor.time_zone
    return Speech(locale, zone, *_catalogue(locale), {})


def words(message: str, /, **values: Any) -> Markup:
    """What `_('…')` is in a template: our own words, the values escaped (portal.web.templating)."""
    spoken = speech()
    found = spoken.words[message]
    if not values:
        return found
    return _filled(str(found), values, spoken.locale)


def _ngettext(singular: str, plural: str, number: int, /, **values: Any) -> Markup:
    spoken = speech()
    text = spoken.messages.get((singular, spoken.plural(number)))
    if text is None:
        text = singular if number == 1 else plural
    values.setdefault("num", number)
    return _filled(text, values, spoken.locale)


def _filled(text: str, values: Mapping[str, Any], locale: str) -> Markup:
    escaped = {name: escape_text(value) for name, value in values.items()}
    return Markup(formats.filled(text, escaped, locale))  # noqa: S704 - our own words, their values escaped


def _day_range(first: date | Period, last: date | None = None) -> str:
    """`period|day_range`, or `first|day_range(last)`; the last day belongs to it."""
    if isinstance(first, Period):
        return formats.format_day_range(first.start, first.last_day, speech().locale)
    assert last is not None, "a range has a last day"
    return formats.format_day_range(first, last, speech().locale)


def _day(on: date) -> str:
    return formats.format_day(on, speech().locale)


def _day_short(on: date) -> str:
    return formats.format_day_short(on, speech().locale)


def _day_month(on: date) -> str:
    return formats.format_day_month(on, speech().locale)


def _local_day(at: datetime) -> str:
    """The day of an instant where the account is."""
    spoken = speech()
    return formats.format_day_short(local_date(at, spoken.time_zone), spoken.locale)


def _instant(at: datetime) -> str:
    spoken = speech()
    return formats.format_instant(at, spoken.locale, spoken.time_zone)


def _money(amount: Money) -> str:
    return formats.format_money(amount, speech().locale)


def _unit_price(amount: Money, count: int) -> str:
    """`amount|unit_price(500)`: what one of 500 costs."""
    return formats.format_unit_price(amount, count, speech().locale)


def _month(on: date) -> str:
    return formats.format_month(on, speech().locale)


def _month_short(on: date) -> str:
    return formats.format_month_short(on, speech().locale)


def _month_letter(on: date) -> str:
    return formats.format_month_letter(on, speech().locale)


def _names(names: Iterable[str]) -> str:
    return formats.format_names(tuple(str(name) for name in names), speech().locale)


def _integer(number: int) -> str:
    return formats.format_integer(number, speech().locale)


def _percent(percent: Decimal | int) -> str:
    return formats.format_percentage(Decimal(percent), speech().locale)


def _country(code: str) -> str:
    return formats.format_country(code, speech().locale)


def _colon() -> str:
    return formats.colon(speech().locale)


def _localized(text: Any) -> str:
    """A LocalizedText of the catalogue in the request's language."""
    return str(text.in_(speech().locale))


@lru_cache(maxsize=4096)
def initials(name: str) -> str:
    """LV for 'L. Verbeke': the first letters of the first and the last word."""
    words = [word for word in name.replace(".", " ").split() if word[0].isalnum()]
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "?"


def _unbind(_error: BaseException | None = None) -> None:
    _bound.set(None)


def install(app: Flask, babel: Babel) -> None:
    """Give Flask-Babel our choice and the templates our words and formats."""
    babel.init_app(
        app,
        locale_selector=lambda: g.get("chosen_locale") or choose_locale(),
        timezone_selector=choose_time_zone,
    )
    environment = app.jinja_env
    environment.words = words  # type: ignore[attr-defined]
    environment.globals.update(
        _=words,
        gettext=words,
        ngettext=_ngettext,
        colon=_colon,
        speech=speech,
        language_names=LANGUAGE_NAMES,
    )
    environment.filters.update(
        country=_country,
        day=_day,
        day_month=_day_month,
        day_range=_day_range,
        day_short=_day_short,
        initials=initials,
        instant=_instant,
        integer=_integer,
        local_day=_local_day,
        localized=_localized,
        money=_money,
        month=_month,
        month_letter=_month_letter,
        month_short=_month_short,
        names=_names,
        percent=_percent,
        unit_price=_unit_price,
    )
    app.teardown_request(_unbind)
