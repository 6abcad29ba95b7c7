"""Reading a CSV file of members: what is understood, and what is said where it is not."""

from __future__ import annotations

import codecs
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.errors import DomainError
from portal.domain.member_file import (
    MOST_BYTES,
    MOST_ROWS,
    MemberFile,
    decode_member_file,
    licence_columns,
    read_member_file,
)
from portal.domain.permissions import Role
from portal.domain.subscriptions import ItemState, SubscriptionState

COLUMNS = {"licence:crm": 1, "licence:crm.appointments": 2}


def read(text: str) -> MemberFile:
    return read_member_file(text, COLUMNS)


def codes(text: str) -> list[tuple[int, str, str]]:
    """Line, column and code of everything that is wrong."""
    return [(each.line, each.problem.field, each.problem.code) for each in read(text).problems]


def test_a_row_says_what_it_says_and_leaves_the_rest() -> None:
    file = read(
        "email,name,role,status,language,since,licence:crm,licence:crm.appointments\r\n"
        "Jan@X.example, Jan  Peeters ,billing_admin,active,fr,2026-01-01,yes,no\r\n"
        "an@x.example,,,,,,,\r\n"
    )
    first, second = file.rows
    assert (first.email, first.name, first.role) == (
        "jan@x.example", "Jan Peeters", Role.BILLING_ADMIN
    )  # fmt: skip
    assert (first.status, first.locale, first.licences) == ("active", "fr", {1: True, 2: False})
    assert (second.role, second.status, second.locale, second.licences) == (None, None, None, {})
    assert file.problems == ()


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_commas_semicolons_and_tabs_separate(mark: str) -> None:
    file = read(f"email{mark}name\n" + f'a@x.example{mark}"B, C; D"\n')
    assert file.rows[0].name == "B, C; D"


def test_a_spreadsheets_note_about_the_separator_is_no_row_and_lines_count_on() -> None:
    assert codes("sep=;\nemail;name\na@x.example;A\nnobody;B\n") == [
        (4, "email", "email_malformed")
    ]


def test_the_order_and_the_case_of_columns_and_values_do_not_matter() -> None:
    row = read("Licence:CRM,EMAIL,Role\nYES,a@x.example,Billing Admin\n").rows[0]
    assert (row.role, row.licences) == (Role.BILLING_ADMIN, {1: True})


@pytest.mark.parametrize(
    ("said", "meant"),
    [("yes", True), ("x", True), ("1", True), ("no", False), ("0", False), ("", None)],
)
def test_yes_and_no(said: str, meant: bool | None) -> None:
    row = read(f"email,licence:crm\na@x.example,{said}\n").rows[0]
    assert row.licences.get(1) is meant


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nobody,,,,", ("email", "email_malformed")),
        (",A,,,", ("email", "email_malformed")),
        ("a@x,,,,", ("email", "email_malformed")),
        (f"{'a' * 250}@x.example,,,,", ("email", "email_malformed")),
        (f"a@x.example,{'n' * 201},,,", ("name", "import_name_unreadable")),
        ("a@x.example,A,boss,,", ("role", "import_value_unknown")),
        ("a@x.example,A,,gone,", ("status", "import_value_unknown")),
        ("a@x.example,A,,,maybe", ("licence:crm", "import_not_yes_or_no")),
        ("a@x.example,A,,,,too much", ("", "import_too_many_cells")),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_column(
    line: str, problem: tuple[str, str]
) -> None:
    text = f"email,name,role,status,licence:crm\nok@x.example,,,,\n\n{line}\n"
    assert codes(text) == [(4, *problem)]
    assert [row.email for row in read(text).rows] == ["ok@x.example"]


def test_the_line_of_a_cell_with_line_breaks_is_its_first() -> None:
    text = 'email,name\na@x.example,"A\nB\nC"\nnobody,D\n'
    assert codes(text)[-1][0] == 5


def test_an_address_stands_once() -> None:
    assert codes("email\na@x.example\nb@x.example\nA@x.example\n") == [
        (4, "email", "import_email_twice")
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("\n\n", "import_empty"),
        ("email\n", "import_no_rows"),
        ("name,role\nA,admin\n", "import_no_email_column"),
        ("e-mail\na@x.example\n", "import_no_email_column"),
        ("email,phone\na@x.example,1\n", "import_column_unknown"),
        ("email,licence:desk\na@x.example,yes\n", "import_column_unknown"),
        ("email,,name\na@x.example,,A\n", "import_column_unknown"),
        ("email,name,Name\na@x.example,A,A\n", "import_column_twice"),
        ('email,name\na@x.example,"A\n', "import_malformed"),
        ('email,name\na@x.example,"A"B\n', "import_malformed"),
        ("email\n" + "".join(f"p{n}@x.example\n" for n in range(MOST_ROWS + 1)),
         "import_too_many_rows"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_why(text: str, code: str) -> None:
    with pytest.raises(DomainError, match=code):
        read(text)


def test_as_many_rows_as_allowed_are_read() -> None:
    text = "email\n" + "".join(f"p{n}@x.example\n" for n in range(MOST_ROWS))
    assert len(read(text).rows) == MOST_ROWS


def test_what_an_export_guards_against_formulas_is_read_back() -> None:
    row = read("email,name\n'+a@x.example,'=cmd\n").rows[0]
    assert (row.email, row.name) == ("+a@x.example", "=cmd")
    assert read("email,name\na@x.example,'t Hart\n").rows[0].name == "'t Hart"


@pytest.mark.parametrize(
    "data",
    [
        "email\nè@x.example\n".encode(),
        codecs.BOM_UTF8 + "email\nè@x.example\n".encode(),
        "email\nè@x.example\n".encode("utf-16"),
    ],
)
def test_text_is_utf_8_or_utf_16_with_its_mark(data: bytes) -> None:
    assert decode_member_file(data) == "email\nè@x.example\n"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("email\nè@x.example\n".encode("latin-1"), "import_encoding"),
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00", "import_encoding"),
        (b"\xff\xfe\x00", "import_encoding"),
        (b"", "import_empty"),
        (b" \r\n", "import_empty"),
        (b"a" * (MOST_BYTES + 1), "import_too_large"),
    ],
)
def test_bytes_that_are_no_such_text_are_refused(data: bytes, code: str) -> None:
    with pytest.raises(DomainError, match=code):
        decode_member_file(data)


@given(st.binary(max_size=300))
def test_no_file_is_a_failure(data: bytes) -> None:
    with suppress(DomainError):
        read(decode_member_file(b"email,name\n" + data))


def test_columns_name_the_plan_by_its_product_and_add_ons_within_it() -> None:
    def item(item_id: int, kind: str, add_on: str | None, package: str | None, per_seat: bool):
        return ItemState(item_id, kind, None, add_on, package, per_seat, 5, 0, None, None)

    state = SubscriptionState(
        1, "crm", "active", None, None,
        (item(1, "plan", None, None, True), item(2, "add_on", "appointments", "basic", True),
         item(3, "add_on", "data-vault", "standard", False),
         item(4, "add_on", "appointments", "beyond", True)),
    )  # fmt: skip
    assert licence_columns([state]) == {
        "licence:crm": 1, "licence:crm.appointments": 2, "licence:crm.appointments.beyond": 4,
    }  # fmt: skip
