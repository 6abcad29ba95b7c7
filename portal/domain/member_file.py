"""Reads a CSV file of members: bytes in, rows or mistakes with their line numbers out.

The columns have fixed English names in every language, so that a file that one person exported
can be imported by another: email, name, role, status, language, since, and one licence column for
each product and add-on that is sold by the seat.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO

from portal.domain.catalogue import LOCALES
from portal.domain.csv_cells import plain_cell
from portal.domain.email_addresses import normal_email
from portal.domain.errors import DomainError, Problem
from portal.domain.permissions import Role
from portal.domain.subscriptions import SubscriptionState

__all__ = [
    "COLUMNS", "MOST_BYTES", "MOST_ROWS", "LineProblem", "MemberFile", "MemberLine",
    "decode_member_file", "licence_columns", "read_member_file",
]  # fmt: skip

COLUMNS = ("email", "name", "role", "status", "language", "since")
STATUSES = ("active", "invited", "deactivated")
MOST_ROWS = 5_000
MOST_BYTES = 900_000
_YES, _NO = frozenset({"yes", "x", "1"}), frozenset({"no", "0"})
_DELIMITERS = (",", ";", "\t")
_LONGEST_NAME = 200
_MOST_PROBLEMS = 200
_BOMS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, slots=True)
class LineProblem:
    """What is wrong in a line of the file; `line` counts from 1, the header's."""

    line: int
    problem: Problem


@dataclass(frozen=True, slots=True)
class MemberLine:
    """One person of the file; None and items that are missing mean: leave it as it is."""

    line: int
    email: str
    name: str = ""
    role: Role | None = None
    status: str | None = None
    locale: str | None = None
    licences: Mapping[int, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MemberFile:
    """What a file says; where it has problems, `rows` are those without."""

    rows: tuple[MemberLine, ...]
    problems: tuple[LineProblem, ...]


def licence_columns(states: Iterable[SubscriptionState]) -> dict[str, int]:
    """The licence columns of an account, in order: the column's name and the item it stands for.

    `licence:crm` is the plan of the product crm, `licence:crm.appointments` an add-on of it.
    """
    found: dict[str, int] = {}
    for state in states:
        for item in state.items:
            if not item.per_seat:
                continue
            name = f"licence:{state.product_key}"
            if item.add_on_key is not None:
                name = f"{name}.{item.add_on_key}"
            if name in found:  # two packages of one add-on
                name = f"{name}.{item.package_key}"
            found[name] = item.item_id
    return found


def decode_member_file(data: bytes) -> str:
    """The text of a file: UTF-8, or UTF-16 with its mark, as spreadsheets write it.

    DomainError `import_empty`, `import_too_large` (`kilobytes`), `import_encoding`.
    """
    if len(data) > MOST_BYTES:
        raise DomainError("import_too_large", kilobytes=MOST_BYTES // 1000)
    encoding = _BOMS.get(data[:2], "utf-8-sig")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise DomainError("import_encoding") from None
    if "\0" in text:
        raise DomainError("import_encoding")
    if not text.strip():
        raise DomainError("import_empty")
    return text


def read_member_file(text: str, columns: Mapping[str, int]) -> MemberFile:
    """The people that a file's text lists; `columns` are the account's licence columns.

    DomainError where the file as a whole cannot be read: `import_no_email_column`,
    `import_column_unknown` (`column`), `import_column_twice` (`column`), `import_too_many_rows`
    (`maximum`), `import_no_rows`, `import_malformed` (`line`).
    """
    lines = _lines(text)
    if not lines:
        raise DomainError("import_empty")
    names = _header(lines[0][1], columns)
    if len(lines) > MOST_ROWS + 1:
        raise DomainError("import_too_many_rows", maximum=MOST_ROWS)
    if len(lines) == 1:
        raise DomainError("import_no_rows")
    rows: list[MemberLine] = []
    problems: list[LineProblem] = []
    first_line: dict[str, int] = {}
    for number, cells in lines[1:]:
        row, found = _row(number, cells, names, columns)
        if row is not None and row.email in first_line:
            found = [Problem("email", "import_email_twice", {"line": first_line[row.email]})]
        elif row is not None:
            first_line[row.email] = number
        problems += [LineProblem(number, problem) for problem in found]
        if row is not None and not found:
            rows.append(row)
        if len(problems) >= _MOST_PROBLEMS:
            break
    return MemberFile(tuple(rows), tuple(problems))


def _lines(text: str) -> list[tuple[int, list[str]]]:
    """The lines that hold something, with their numbers in the file."""
    skipped = 0
    if text[:4].lower() == "sep=":  # a spreadsheet's own note about the delimiter
        _first, _, text = text.partition("\n")
        skipped = 1
    header = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[tuple[int, list[str]]] = []
    begins = 1
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                found.append((begins + skipped, stripped))
            begins = reader.line_num + 1
            if len(found) > MOST_ROWS + 1:
                break
    except csv.Error:
        raise DomainError("import_malformed", line=begins + skipped) from None
    return found


def _header(cells: Sequence[str], columns: Mapping[str, int]) -> list[str]:
    names = [cell.lower() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if "email" not in names:
        raise DomainError("import_no_email_column")
    for place, name in enumerate(names):
        if name not in COLUMNS and name not in columns:
            raise DomainError("import_column_unknown", column=cells[place][:60] or "–")
        if name in names[:place]:
            raise DomainError("import_column_twice", column=name)
    return names


def _row(
    number: int, cells: Sequence[str], names: Sequence[str], columns: Mapping[str, int]
) -> tuple[MemberLine | None, list[Problem]]:
    if len(cells) > len(names) and any(cells[len(names) :]):
        return None, [Problem("", "import_too_many_cells")]
    values = {name: plain_cell(cell) for name, cell in zip(names, cells, strict=False)}
    problems: list[Problem] = []
    email = values.get("email", "").lower()
    try:
        email = normal_email(email)
    except DomainError as error:
        problems.append(Problem("email", error.code))
    name = " ".join(values.get("name", "").split())
    if len(name) > _LONGEST_NAME or not name.isprintable():
        problems.append(Problem("name", "import_name_unreadable"))
    role = _one_of("role", values, [each.value for each in Role], problems)
    status = _one_of("status", values, STATUSES, problems)
    locale = _one_of("language", values, LOCALES, problems)
    licences: dict[int, bool] = {}
    for column, item_id in columns.items():
        said = values.get(column, "").lower()
        if said in _YES or said in _NO:
            licences[item_id] = said in _YES
        elif said:
            problems.append(Problem(column, "import_not_yes_or_no", {"column": column}))
    if problems:
        return None, problems
    return (
        MemberLine(number, email, name, Role(role) if role else None, status, locale, licences),
        [],
    )


def _one_of(
    column: str, values: Mapping[str, str], allowed: Sequence[str], problems: list[Problem]
) -> str | None:
    said = values.get(column, "").lower().replace(" ", "_")
    if not said:
        return None
    if said not in allowed:
        listed = ", ".join(allowed)
        problems.append(
            Problem(column, "import_value_unknown", {"column": column, "allowed": listed})
        )
        return None
    return said
