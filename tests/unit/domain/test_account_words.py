"""The words by which the desk finds a customer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.account_words import (
    LONGEST_WORD,
    MOST_TYPED,
    normal_words,
    prefix_end,
    typed_words,
    words_of_account,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Müller & Söhne Werkzeugbau GmbH", ["muller", "sohne", "werkzeugbau", "gmbh"]),
        ("Lumière Conseil SAS", ["lumiere", "conseil", "sas"]),
        ("Officine Valdarno S.p.A.", ["officine", "valdarno", "s", "p", "a"]),
        ("3M-Straße", ["3m", "strasse"]),
        ("ΑΘΗΝΑ", ["αθηνα"]),
        ("compta@lumiere-conseil.example", ["compta@lumiere-conseil.example"]),
        ("@lumiere-conseil.example", ["lumiere-conseil.example"]),
        (" \t_&- ", []),
    ],
)
def test_words_have_neither_case_nor_accents(text: str, words: list[str]) -> None:
    assert normal_words(text) == words


def test_an_account_is_found_by_names_addresses_hosts_and_numbers_as_one_word() -> None:
    words = words_of_account(
        ["Atelier Noordzee BV", "Atelier Noordzee BV"],
        ["Boekhouding@atelier-noordzee.example", ""],
        ["BE 0940.180.319", ""],
    )
    assert words == {
        "atelier", "noordzee", "bv", "boekhouding@atelier-noordzee.example",
        "atelier-noordzee.example", "be0940180319",
    }  # fmt: skip


def test_the_longest_word_that_was_typed_leads_and_few_are_looked_for() -> None:
    assert typed_words("de Noordzee de atelier") == ("noordzee", "atelier", "de")
    assert len(typed_words("a b c d e f g")) == MOST_TYPED
    assert typed_words("& -") == ()


@given(st.text(max_size=500))
def test_whatever_is_typed_finds_itself_by_its_beginning(text: str) -> None:
    """Also half a word: the range of the index holds every word that begins like it."""
    for word in normal_words(text):
        assert 0 < len(word) <= LONGEST_WORD
        for beginning in (word, word[: len(word) // 2 + 1]):
            assert beginning <= word < prefix_end(beginning)
