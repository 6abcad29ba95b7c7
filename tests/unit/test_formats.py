"""Dates, months and prices as each language writes them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from portal.domain.money import Money
from portal.formats import (
    as_written,
    filled,
    format_day_range,
    format_integer,
    format_money,
    format_month,
    format_month_letter,
    format_month_short,
    format_typed,
    format_unit_price,
)
from portal.languages import language

YEAR = (date(2026, 3, 1), date(2027, 2, 28))
MONTH = (date(2026, 3, 1), date(2026, 3, 31))
ACROSS = (date(2026, 3, 15), date(2026, 4, 1))


@pytest.mark.parametrize(
    ("locale", "days", "words"),
    [
        ("fr", YEAR, "1er mars 2026 – 28 févr. 2027"),
        ("fr", MONTH, "1–31 mars 2026"),  # the first alone is an ordinal
        ("fr", ACROSS, "15 mars – 1er avr. 2026"),
        ("fr", (date(2026, 5, 1), date(2026, 5, 1)), "1er mai 2026"),
        ("it", YEAR, "1 mar 2026 – 28 feb 2027"),
        ("it", MONTH, "1–31 mar 2026"),
        ("it", (date(2026, 10, 10), date(2027, 1, 9)), "10 ott 2026 – 9 gen 2027"),
        ("de", YEAR, "1. März 2026 – 28. Feb. 2027"),
        ("en", MONTH, "1–31 Mar 2026"),
    ],
)
def test_a_range_writes_its_days_as_they_are_written_alone(
    locale: str, days: tuple[date, date], words: str
) -> None:
    text = format_day_range(*days, locale)
    assert " ".join(text.replace("\u2009", " ").split()) == words


@pytest.mark.parametrize(
    ("locale", "money", "number"),
    [
        ("en", "−€1,234.50", "−1,234"),
        ("nl", "€ −1.234,50", "−1.234"),
        ("de", "−1.234,50 €", "−1.234"),
        ("it", "−1.234,50 €", "−1.234"),
        ("fr", "−1 234,50 €", "−1 234"),
    ],
)
def test_what_is_owed_the_other_way_has_a_minus_and_no_hyphen(
    locale: str, money: str, number: str
) -> None:
    assert " ".join(format_money(Money(-123450, "EUR"), locale).split()) == money
    assert " ".join(format_integer(-1234, locale).split()) == number
    assert "−" not in format_money(Money(123450, "EUR"), locale)


@pytest.mark.parametrize(
    ("locale", "text", "written"),
    [
        ("it", "Si rinnova il 11 aprile 2027.", "Si rinnova l’11 aprile 2027."),
        ("it", "Dal 8 apr 2027 al 11 mag 2027", "Dall’8 apr 2027 all’11 mag 2027"),
        ("it", "Il 8 maggio, prima del 11 giugno", "L’8 maggio, prima dell’11 giugno"),
        ("it", "entro il 18 aprile, dal 1 al 80 maggio", "entro il 18 aprile, dal 1 al 80 maggio"),
        ("it", "fattura del 11", "fattura del 11"),
        ("fr", "jusqu’al 11 avril", "jusqu’al 11 avril"),
        ("en", "You belong to Valdarno S.p.A.. It pays.", "You belong to Valdarno S.p.A. It pays."),
        ("en", "Wait... for Smith Inc..", "Wait... for Smith Inc."),
    ],
)
def test_a_sentence_is_written_as_people_write_its_dates_and_names(
    locale: str, text: str, written: str
) -> None:
    assert as_written(text, locale) == written
    assert language(locale).gettext("%(text)s", text=text) == written


@pytest.mark.parametrize(
    ("locale", "sentence", "value", "written"),
    [
        ("fr", "le compte de %(name)s", "Atelier Noordzee", "le compte d’Atelier Noordzee"),
        ("fr", "Tant que %(name)s refuse", "Émile", "Tant qu’Émile refuse"),
        ("fr", "lorsque %(name)s signe", "<b>Anouk</b>", "lorsqu’<b>Anouk</b> signe"),
        ("fr", "De %(name)s", "Insights", "D’Insights"),
        ("fr", "facture de %(name)s", "Kanto", "facture de Kanto"),
        ("fr", "remise de %(name)s", "11 €", "remise de 11 €"),
        ("fr", "chaque %(name)s", "option", "chaque option"),
        ("fr", "message\u00a0: %(name)s", "De offerte", "message\u00a0: De offerte"),
        ("fr", "%(name)s", "Wat kost de upgrade?", "Wat kost de upgrade?"),
        ("nl", "de %(name)s", "uitbreiding", "de uitbreiding"),
    ],
)
def test_french_elides_before_a_name_and_nowhere_in_what_people_typed(
    locale: str, sentence: str, value: str, written: str
) -> None:
    assert filled(sentence, {"name": value}, locale) == written
    assert language(locale).gettext(sentence, name=value) == written
    assert language(locale).ngettext(sentence, sentence, 2, name=value) == written


@pytest.mark.parametrize(
    ("minor", "count", "locale", "words"),
    [
        (5_000, 500, "en", "€0.100"),
        (18_000, 2_000, "de", "0,090 €"),
        (10_000, 3_000, "en", "€0.033"),  # rounded once, to a decimal more than money has
        (100, 3, "nl", "€ 0,333"),
    ],
)
def test_a_unit_price_has_a_decimal_more(minor: int, count: int, locale: str, words: str) -> None:
    text = format_unit_price(Money(minor, "EUR"), count, locale)
    assert text.replace("\xa0", " ") == words


def test_a_number_to_be_typed_again_has_no_groups() -> None:
    assert format_typed(Decimal("1240.50"), "en") == "1240.50"
    assert format_typed(Decimal("1240.50"), "de") == "1240,50"
    assert format_typed(Decimal("1240"), "fr") == "1240"


@pytest.mark.parametrize(
    ("locale", "names"),
    [
        ("en", ("September 2026", "Sept", "S")),
        ("de", ("September 2026", "Sep", "S")),
        ("fr", ("septembre 2026", "sept.", "S")),
        ("it", ("settembre 2026", "set", "S")),
    ],
)
def test_months_as_each_language_names_them(locale: str, names: tuple[str, str, str]) -> None:
    month = date(2026, 9, 1)
    spoken = format_month(month, locale), format_month_short(month, locale)
    assert (*spoken, format_month_letter(month, locale)) == names
