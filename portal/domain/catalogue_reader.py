"""The small typed reader under the catalogue file: it collects mistakes and goes on.

A `Table` hands out typed values. Where one is missing or wrong it writes that down in the
`MistakeLog` and hands out a harmless stand-in, so that one pass finds every mistake. Keys
that nobody asked for are reported when the log is closed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar, cast

from portal.domain.catalogue import LOCALES, LocalizedText
from portal.domain.catalogue_checks import (
    Flaw,
    check_slug,
    check_text,
    read_amount,
    suggestion,
)
from portal.domain.catalogue_lines import LineIndex, Place

Check = Callable[[str], Flaw | None]
_Choice = TypeVar("_Choice", bound=StrEnum)
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_ALL = "all"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in the file: its dotted place, its line from 1, and what to do."""

    path: str
    line: int | None
    code: str
    message: str

    def __str__(self) -> str:
        where = ": ".join(p for p in (f"line {self.line}" if self.line else "", self.path) if p)
        return f"{where}: {self.message}" if where else self.message


class CatalogueMistakes(ValueError):
    """The file cannot be used; `mistakes` are all that was found, in the file's order."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes


def dotted(place: Place) -> str:
    """A place as people write it: products.crm.name; odd keys are quoted."""
    return ".".join(key if _PLAIN.fullmatch(key) else f'"{key}"' for key in place)


class MistakeLog:
    """Collects mistakes by place; their lines are looked up when all are known."""

    def __init__(self) -> None:
        self._noted: list[tuple[Place, Flaw]] = []
        self._tables: list[Table] = []

    def note(self, place: Place, flaw: Flaw) -> None:
        """Write a mistake down."""
        self._noted.append((place, flaw))

    def open(self, place: Place, values: Mapping[str, object]) -> Table:
        """A reader for a table of the file, whose unknown keys will be reported."""
        table = Table(self, place, values)
        self._tables.append(table)
        return table

    def close(self, text: str) -> tuple[Mistake, ...]:
        """All mistakes in the order of the file; none means that the file is good."""
        for table in self._tables:
            table.note_unknown_keys()
        if not self._noted:
            return ()
        index = LineIndex(text)
        mistakes = [
            Mistake(dotted(place), index.line(place), flaw.code, flaw.message)
            for place, flaw in self._noted
        ]
        return tuple(sorted(mistakes, key=lambda m: (m.line or 0, m.path)))


class Table:
    """Typed access to one table. A missing table reads as a muted one: one mistake, not ten."""

    def __init__(
        self,
        log: MistakeLog,
        place: Place,
        values: Mapping[str, object],
        *,
        muted: bool = False,
    ) -> None:
        self.place = place
        self._log = log
        self._values = values
        self._muted = muted
        self._asked: set[str] = set()

    def note(self, code: str, message: str, *keys: str) -> None:
        """Write down a mistake at this table, or at a key within it."""
        if not self._muted:
            self._log.note(self.place + keys, Flaw(code, message))

    def note_unknown_keys(self) -> None:
        """Report the keys that nobody asked for."""
        for key in self._values:
            if key not in self._asked:
                hint = suggestion(key, sorted(self._asked))
                self.note("unknown_key", f'The key "{key}" means nothing here.{hint}', key)

    def all_keys(self) -> tuple[str, ...]:
        """The keys in the order of the file; the caller knows what to do with each."""
        self._asked.update(self._values)
        return tuple(self._values)

    def has(self, key: str) -> bool:
        """Whether the file gives this key."""
        self._asked.add(key)
        return key in self._values

    def _take(self, key: str, *, required: bool) -> object | None:
        if self.has(key):
            return self._values[key]
        if required:
            self.note("missing", f'"{key}" is missing.', key)
        return None

    def _wrong(self, key: str, wanted: str, found: object) -> None:
        self.note("wrong_type", f"This must be {wanted}, not {_kind(found)}.", key)

    def text(self, key: str, check: Check = check_text, *, default: str | None = None) -> str:
        """A text that passes the check; required where there is no default."""
        value = self._take(key, required=default is None)
        if isinstance(value, str):
            if flaw := check(value):
                self.note(flaw.code, flaw.message, key)
                return default or ""
            return value
        if value is not None:
            self._wrong(key, "a text in quotes", value)
        return default or ""

    def optional_text(self, key: str, check: Check) -> str | None:
        """A text that passes the check, or None where the file has none."""
        return self.text(key, check) if self.has(key) else None

    def whole(self, key: str, low: int, high: int, *, default: int | None = None) -> int:
        """A whole number from low to high; required where there is no default."""
        value = self._take(key, required=default is None)
        if isinstance(value, int) and not isinstance(value, bool):
            if low <= value <= high:
                return value
            self.note("out_of_range", f"This must be from {low:,} to {high:,}.", key)
        elif value is not None:
            self._wrong(key, "a whole number", value)
        return low if default is None else default

    def rising_wholes(
        self, key: str, low: int, high: int, *, default: tuple[int, ...]
    ) -> tuple[int, ...]:
        """A list of 1 to 10 whole numbers, each greater than the one before it."""
        value = self._take(key, required=False)
        if value is None:
            return default
        if not isinstance(value, list):
            self._wrong(key, "a list of whole numbers", value)
            return default
        numbers: list[int] = []
        for at, number in enumerate(value):
            if not isinstance(number, int) or isinstance(number, bool):
                message = f"This must be a whole number, not {_kind(number)}."
                self.note("wrong_type", message, key, str(at))
            elif not low <= number <= high:
                message = f"This must be from {low:,} to {high:,}."
                self.note("out_of_range", message, key, str(at))
            elif numbers and number <= numbers[-1]:
                message = f"The numbers must rise, but {number} comes after {numbers[-1]}."
                self.note("not_rising", message, key, str(at))
            else:
                numbers.append(number)
        if not 1 <= len(value) <= 10:
            self.note("out_of_range", "This list must have from 1 to 10 numbers.", key)
        return tuple(numbers) or default

    def flag(self, key: str, *, default: bool) -> bool:
        """true or false."""
        value = self._take(key, required=False)
        if isinstance(value, bool):
            return value
        if value is not None:
            self._wrong(key, "true or false", value)
        return default

    def choice(self, key: str, kind: type[_Choice], *, default: _Choice | None = None) -> _Choice:
        """One of the words of an enumeration; required where there is no default."""
        words = [str(member) for member in kind]
        value = self._take(key, required=default is None)
        if isinstance(value, str):
            if value in words:
                return kind(value)
            listed = " or ".join(f'"{word}"' for word in words)
            self.note("bad_choice", f"This must be {listed}.{suggestion(value, words)}", key)
        elif value is not None:
            self._wrong(key, "a text in quotes", value)
        return default or next(iter(kind))

    def amount(self, key: str, currency: str) -> int | None:
        """A price such as "75.00" in minor units; None where it is absent or wrong."""
        value = self._take(key, required=False)
        if isinstance(value, str):
            amount = read_amount(value, currency)
            if isinstance(amount, int):
                return amount
            self.note(amount.code, amount.message, key)
        elif isinstance(value, float):
            self.note(
                "float_price",
                "A price must not be a floating-point number, which cannot hold every cent "
                'exactly. Put it in quotes, as "75.00".',
                key,
            )
        elif value is not None:
            self.note(
                "wrong_type", f'A price is a text in quotes, as "75.00", not {_kind(value)}.', key
            )
        return None

    def localized(self, key: str) -> LocalizedText:
        """A required text in the five languages, or `all` for the same words in each."""
        return self.optional_localized(key, required=True) or LocalizedText.same("")

    def optional_localized(self, key: str, *, required: bool = False) -> LocalizedText | None:
        """A text in the five languages, or None where the file has none."""
        if not required and not self.has(key):
            return None
        table = self.table(key)
        if table.has(_ALL):
            for locale in LOCALES:
                if table.has(locale):
                    message = 'Give either "all" or the five languages, not both.'
                    table.note("duplicate", message, locale)
            return LocalizedText.same(table.text(_ALL))
        texts = []
        for locale in LOCALES:
            if table.has(locale):
                texts.append(table.text(locale))
            else:
                texts.append("")
                table.note("missing_language", f'The text in "{locale}" is missing.', locale)
        return LocalizedText(*texts)

    def table(self, key: str, *, required: bool = True) -> Table:
        """A table within this one; where it is missing or no table, a muted empty one."""
        value = self._take(key, required=required)
        if isinstance(value, dict):
            table = self._log.open((*self.place, key), cast("dict[str, object]", value))
            table._muted = self._muted
            return table
        if value is not None:
            self._wrong(key, "a table", value)
        return Table(self._log, (*self.place, key), {}, muted=True)

    def tables(self, key: str, *, required: bool = False) -> Iterator[tuple[str, Table]]:
        """The named tables within a table, in the order of the file; names are slugs."""
        outer = self.table(key, required=required)
        for name in outer.all_keys():
            if flaw := check_slug(name):
                outer.note(flaw.code, flaw.message, name)
            yield name, outer.table(name)

    def raw(self, key: str) -> object | None:
        """The value as the file has it, for the few places where several types are right."""
        return self._take(key, required=False)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    names = {int: "a whole number", float: "a number with a fraction", str: "a text"}
    names |= {list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")
