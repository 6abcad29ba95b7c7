"""The gates of the translations refuse what they are there for."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from portal.config import ROOT


def gate(name: str) -> ModuleType:
    loader = SourceFileLoader(name, str(ROOT / ".ci" / name))
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def translations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The gate of the catalogues, with a folder of its own for German."""
    checks = gate("check_translations")
    monkeypatch.setattr(checks, "TRANSLATIONS", tmp_path)
    (tmp_path / "de" / "LC_MESSAGES").mkdir(parents=True)
    return checks


TEMPLATE = Catalog()
TEMPLATE.add("Save")
TEMPLATE.add("Hello %(name)s")
TEMPLATE.add(("%(num)s week", "%(num)s weeks"), flags=["python-format"])
TEMPLATE.add("See the <b>order</b>")

WHOLE = """\
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

msgid "Save"
msgstr "Speichern"

#, python-format
msgid "Hello %(name)s"
msgstr "Guten Tag, %(name)s"

#, python-format
msgid "%(num)s week"
msgid_plural "%(num)s weeks"
msgstr[0] "%(num)s Woche"
msgstr[1] "%(num)s Wochen"

msgid "See the <b>order</b>"
msgstr "Zur <b>Bestellung</b>"
"""


def found(checks: ModuleType, po: str) -> str:
    checks.po_file("de").write_text(po, encoding="utf-8")
    return "\n".join(checks.catalogue_problems("de", TEMPLATE))


def test_a_whole_catalogue_passes(translations: ModuleType) -> None:
    assert found(translations, WHOLE) == ""


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('msgid "Save"\nmsgstr "Speichern"', "", 'missing: "Save"'),
        ('"Speichern"', '""', "empty"),
        ('msgid "Save"', '#, fuzzy\nmsgid "Save"', "fuzzy"),
        ('msgid "Save"', '#~ msgid "Old"\n#~ msgstr "Alt"\n\nmsgid "Save"', "obsolete"),
        ('msgid "Save"', 'msgid "Old"\nmsgstr "Alt"\n\nmsgid "Save"', "not in the source any more"),
        ("Guten Tag, %(name)s", "Guten Tag", "placeholder lost: %(name)s"),
        ("Guten Tag, %(name)s", "%(nick)s %(name)s", "placeholder of its own: %(nick)s"),
        ('"Speichern"', '"%(name)s speichern"', "placeholder of its own: %(name)s"),
        ('msgstr[1] "%(num)s Wochen"', 'msgstr[1] "Wochen"', "placeholder lost: %(num)s"),
        ('msgstr[1] "%(num)s Wochen"\n', "", "plural forms, the language has 2|empty"),
        ("nplurals=2; plural=(n != 1)", "nplurals=3; plural=(n != 1)", "Plural-Forms says 3"),
        ("<b>Bestellung</b>", "Bestellung", "markup differs"),
        ('"Speichern"', '"Speichern "', "white space at an end differs"),
        ('msgstr "Speichern"', "Speichern", "cannot be read"),
    ],
)
def test_each_fault_of_a_catalogue_is_refused(
    translations: ModuleType, old: str, new: str, problem: str
) -> None:
    assert old in WHOLE
    said = found(translations, WHOLE.replace(old, new))
    assert any(one in said for one in problem.split("|")), said


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Sauver !", "Sauver\u202f!"),
        ("Sauver\u00a0; fermer", "Sauver\u202f; fermer"),
        ("« Sauver » : oui", "«\u00a0Sauver\u00a0»\u00a0: oui"),
    ],
)
def test_a_french_sign_keeps_its_space(
    translations: ModuleType, tmp_path: Path, text: str, kept: str
) -> None:
    (tmp_path / "fr" / "LC_MESSAGES").mkdir(parents=True)
    po = translations.po_file("fr")
    po.write_text(WHOLE.replace("Speichern", text), encoding="utf-8")
    refused = 'a space that breaks, or is too wide (make translations): "Save"'
    assert list(translations.catalogue_problems("fr", TEMPLATE)) == [refused]
    translations.keep_spaces_together(po)
    assert kept in po.read_text(encoding="utf-8")
    assert list(translations.catalogue_problems("fr", TEMPLATE)) == []


def test_a_language_without_a_catalogue_is_refused(translations: ModuleType) -> None:
    assert list(translations.catalogue_problems("nl", TEMPLATE)) == [
        "there is no catalogue (make translations)"
    ]


def test_a_catalogue_nobody_asked_for_is_refused(
    translations: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A pseudo-locale that somebody commits, too."""
    monkeypatch.setattr(translations, "LANGUAGES", ("de",))
    found(translations, WHOLE)
    template = tmp_path / "messages.pot"
    with template.open("wb") as file:
        write_po(file, TEMPLATE)
    assert translations.check(template) == 0
    (tmp_path / "xx" / "LC_MESSAGES").mkdir(parents=True)
    (tmp_path / "xx" / "LC_MESSAGES" / "messages.po").write_text(WHOLE, encoding="utf-8")
    assert translations.check(template) == 1
    assert "translations/xx: a catalogue nobody asked for" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("language", "source", "text", "problem"),
    [
        ("de", "Your quote", "Dein Angebot", "familiar “Dein”"),
        ("nl", "Your quote", "Jouw offerte", "familiar “Jouw”"),
        ("fr", "Your quote", "Ton devis", "familiar “Ton”"),
        ("it", "Your quote", "Il tuo preventivo", "familiar “tuo”"),
        ("de", "Your wallet", "Ihre Geldbörse", "not the glossary's word (Guthaben)"),
        ("fr", "Credit note", "Note de crédit", "not the glossary's word (avoir)"),
        ("it", "Quote", "Offerta", "not the glossary's word (preventivo)"),
        ("nl", "Credit note", "Kredietnota", "not the glossary's word (creditnota)"),
        ("de", "See the order", "See the order", "the same as the English"),
    ],
)
def test_another_register_another_word_and_english_are_refused(
    language: str, source: str, text: str, problem: str
) -> None:
    (said,) = gate("check_register").problems(language, source, text, set())
    assert problem in said


def test_what_is_right_or_listed_passes() -> None:
    problems = gate("check_register").problems
    assert not list(problems("de", "Your quote", "Ihr Angebot", set()))
    assert not list(problems("nl", "Plan", "Plan", {"Plan"}))
    assert not list(problems("de", "%(number)s × %(price)s", "%(number)s × %(price)s", set()))


def test_a_word_of_the_glossary_without_a_language_is_refused() -> None:
    refused = gate("check_register").glossary_problems
    whole = "| seat | zitje | place | posto | Platz |"
    assert not list(refused(["# Glossary", "|---|---|", whole]))
    assert list(refused([whole.replace(" posto ", "  ")]))
    assert list(refused(["| seat | zitje | place |"]))


def test_the_catalogues_hold_the_same_sources() -> None:
    """The pseudo-locale is made from one of them, and stands for all."""
    sources = []
    for path in sorted((ROOT / "translations").glob("*/LC_MESSAGES/messages.po")):
        with path.open("rb") as file:
            sources.append({str(message.id) for message in read_po(file) if message.id})
    assert len(sources) == 4
    assert all(each == sources[0] for each in sources)
