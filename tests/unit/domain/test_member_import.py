"""What an import would change (S7, S9)."""

from __future__ import annotations

from typing import Any

import pytest

from portal.domain.member_file import read_member_file
from portal.domain.member_import import ImportPlan, MemberFacts, plan_member_import
from portal.domain.subscriptions import ItemState, SubscriptionState

COLUMNS = {"licence:crm": 1, "licence:sign": 2}
PEOPLE = (
    MemberFacts(11, "ada@x.example", "Ada", "admin", "active", frozenset({1})),
    MemberFacts(12, "bob@x.example", "Bob", "member", "active", frozenset({1, 2})),
    MemberFacts(13, "cleo@x.example", "Cleo", "billing_admin", "active", frozenset()),
    MemberFacts(14, "dan@x.example", "Dan", "member", "invited", frozenset({1})),
    MemberFacts(15, "eve@x.example", "Eve", "member", "deactivated", frozenset()),
    MemberFacts(16, "fay@x.example", "Fay", "admin", "deactivated", frozenset()),
)


def states(crm: int = 4, sign: int = 1, **more: Any) -> list[SubscriptionState]:
    """Three hold a licence of the first, one of the second."""

    def one(key: int, product: str, quantity: int, assigned: int) -> SubscriptionState:
        item = ItemState(key, "plan", "pro", None, None, True, quantity, assigned, None, None)
        return SubscriptionState(key, product, "active", None, None, (item,), **more)

    return [one(1, "crm", crm, 3), one(2, "sign", sign, 1)]


def planned(*lines: str, header: str = "email,name,role,status,licence:crm,licence:sign",
            has: list[SubscriptionState] | None = None) -> ImportPlan:  # fmt: skip
    """What a file with these lines would change."""
    file = read_member_file("\n".join((header, *lines)), COLUMNS)
    return plan_member_import(file, PEOPLE, has or states(), COLUMNS)


def problems(plan: ImportPlan) -> list[tuple[int, str, str]]:
    return [(each.line, each.problem.field, each.problem.code) for each in plan.problems]


def test_a_new_person_is_invited_with_the_licences_that_are_kept() -> None:
    [step] = planned("gus@x.example,Gus,,,yes,no").steps
    assert (step.is_new, step.role, step.status, step.assigned) == (True, "member", "invited", (1,))


def test_a_file_that_was_exported_changes_nothing() -> None:
    plan = planned(
        "ada@x.example,Ada,admin,active,yes,no", "bob@x.example,Bob,member,active,yes,yes",
        "cleo@x.example,Cleo,billing_admin,active,no,no", "dan@x.example,Dan,member,invited,yes,no",
        "eve@x.example,Eve,member,deactivated,no,no", "fay@x.example,Fay,admin,deactivated,no,no",
    )  # fmt: skip
    assert (plan.steps, plan.unchanged, plan.problems) == ((), 6, ())


def test_what_is_left_empty_stays() -> None:
    assert planned("bob@x.example,,,,,").unchanged == 1
    assert planned("bob@x.example,Another name,,,,").unchanged == 1


def test_roles_and_licences_change() -> None:
    plan = planned("cleo@x.example,,member,,yes,", "bob@x.example,,admin,,,no")
    assert plan.count == {
        "invited": 0, "role": 2, "deactivated": 0, "reactivated": 0, "assigned": 1, "freed": 1,
    }  # fmt: skip


def test_S8_deactivating_frees_everything_whatever_the_licence_columns_say() -> None:
    [step] = planned("bob@x.example,,,deactivated,yes,yes").steps
    assert (step.status, step.assigned, step.freed) == ("deactivated", (), (1, 2))


@pytest.mark.parametrize(
    ("line", "column"),
    [("ada@x.example,,member,,,", "role"), ("ada@x.example,,billing_admin,,,", "role"),
     ("ada@x.example,,,deactivated,,", "status"), ("ada@x.example,,member,deactivated,,", "status")],
)  # fmt: skip
def test_S7_an_active_admin_is_asked_first(line: str, column: str) -> None:
    assert problems(planned(line)) == [(2, column, "import_admin_consent")]


def test_S7_an_admin_who_is_deactivated_has_no_rights_to_lose() -> None:
    plan = planned("fay@x.example,,member,,,")
    assert (len(plan.steps), plan.problems) == (1, ())


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("gus@x.example,,,,,", "import_name_missing"),
        ("gus@x.example,Gus,,deactivated,,", "import_new_deactivated"),
        ("bob@x.example,,,invited,,", "import_already_active"),
        ("dan@x.example,,,active,,", "import_not_accepted"),
        ("dan@x.example,,,deactivated,,", "import_withdraw"),
        ("eve@x.example,,,invited,,", "import_was_deactivated"),
        ("eve@x.example,,,active,,", "licence_needed"),
        ("eve@x.example,,,,yes,", "import_not_active"),
    ],
)
def test_what_no_file_can_bring_about_is_said(line: str, code: str) -> None:
    plan = planned(line)
    assert [each.problem.code for each in plan.problems] == [code]
    assert plan.steps == ()


def test_somebody_comes_back_with_a_licence() -> None:
    [step] = planned("eve@x.example,,,active,yes,").steps
    assert (step.changes_status, step.status, step.assigned) == (True, "active", (1,))
    assert len(planned("fay@x.example,,,active,,").steps) == 1  # an admin may without


def test_S9_licences_run_out_at_the_line_that_wants_one_too_many() -> None:
    plan = planned("gus@x.example,Gus,,,yes,", "hal@x.example,Hal,,,yes,")
    assert problems(plan) == [(3, "licence:crm", "import_no_seat")]


def test_S9_what_the_file_frees_can_be_given_in_any_order() -> None:
    plan = planned("gus@x.example,Gus,,,yes,", "hal@x.example,Hal,,,yes,", "bob@x.example,,,,no,")
    assert plan.problems == ()
    plan = planned("gus@x.example,Gus,,,,yes", "bob@x.example,,,deactivated,,")
    assert plan.problems == ()


def test_S7_nothing_is_given_while_an_overhang_lasts_but_freed() -> None:
    plan = planned("cleo@x.example,,,,yes,", "bob@x.example,,,,no,", has=states(2, overhang=1))
    assert problems(plan) == [(2, "licence:crm", "overhang_recorded")]
    assert planned("bob@x.example,,,,no,", has=states(2, overhang=1)).problems == ()


def test_problems_come_in_the_order_of_the_file() -> None:
    plan = planned("ada@x.example,,member,,,", "nobody,,,,,", "eve@x.example,,,active,,")
    assert [line for line, _column, _code in problems(plan)] == [2, 3, 4]


def test_the_digest_names_the_steps() -> None:
    one, same = planned("cleo@x.example,,,,yes,"), planned("cleo@x.example,,,,yes,")
    assert one.digest == same.digest
    assert one.digest != planned("cleo@x.example,,member,,yes,").digest
