"""What importing a file of members would change: decided once, shown, and done exactly so (S7, S9).

Nobody is removed for not being in the file. Names and languages of people who are there already
stay theirs. While anything is wrong, nothing is imported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from portal.domain.assignments import may_assign
from portal.domain.errors import Problem
from portal.domain.member_file import LineProblem, MemberFile, MemberLine
from portal.domain.permissions import Role
from portal.domain.subscriptions import SubscriptionState

__all__ = ["ImportPlan", "MemberFacts", "Step", "plan_member_import"]


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """A member as they are; `items` are those of which they hold a licence."""

    member_id: int
    email: str
    name: str
    role: str
    status: str
    items: frozenset[int]


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one person; `member_id` is None for one who is invited.

    `assigned` and `freed` are item ids. What stays is the same before and after.
    """

    line: int
    member_id: int | None
    email: str
    name: str
    locale: str | None
    role_before: str | None
    role: str
    status_before: str | None
    status: str
    assigned: tuple[int, ...]
    freed: tuple[int, ...]

    @property
    def is_new(self) -> bool:
        """Whether the person is invited."""
        return self.member_id is None

    @property
    def changes_role(self) -> bool:
        """Whether a present member gets another role."""
        return not self.is_new and self.role != self.role_before

    @property
    def changes_status(self) -> bool:
        """Whether a present member is deactivated or active again."""
        return not self.is_new and self.status != self.status_before

    @property
    def changes_something(self) -> bool:
        """Whether anything happens at all."""
        return bool(
            self.is_new or self.changes_role or self.changes_status or self.assigned or self.freed
        )


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """Every step in the order of the file, how many lines change nothing, and what is wrong."""

    steps: tuple[Step, ...]
    unchanged: int
    problems: tuple[LineProblem, ...]

    @property
    def digest(self) -> str:
        """Names exactly these steps: what was shown is what is done, or nothing is."""
        return sha256(repr(self.steps).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def bad_lines(self) -> int:
        """How many lines have something wrong."""
        return len({each.line for each in self.problems})

    @property
    def count(self) -> Mapping[str, int]:
        """How many people are invited, get another role, are deactivated or reactivated, and how
        many licences are given and freed."""
        found: Counter[str] = Counter()
        for step in self.steps:
            found["invited"] += step.is_new
            found["role"] += step.changes_role
            found["deactivated"] += step.changes_status and step.status == "deactivated"
            found["reactivated"] += step.changes_status and step.status == "active"
            found["assigned"] += len(step.assigned)
            found["freed"] += len(step.freed)
        return found


def plan_member_import(
    file: MemberFile,
    members: Iterable[MemberFacts],
    states: Sequence[SubscriptionState],
    columns: Mapping[str, int],
) -> ImportPlan:
    """Compare the file with what there is. Problems name line and column:

    - an active admin who would be deactivated or lose the rights: `import_admin_consent` (S7)
    - more licences than are free after all that the file frees: `import_no_seat`, or the codes of
      `may_assign` (S9)
    - states that no file can bring about: `import_new_deactivated`, `import_already_active`,
      `import_not_accepted`, `import_was_deactivated`, `import_withdraw`
    - `import_name_missing` for a new person, `licence_needed`, `import_not_active`
    """
    present = {each.email: each for each in members}
    steps: list[Step] = []
    problems = list(file.problems)
    unchanged = 0
    for line in file.rows:
        known = present.get(line.email)
        problem, step = _new(line) if known is None else _known(line, known)
        if problem is not None:
            problems.append(LineProblem(line.line, problem))
        elif step is not None and step.changes_something:
            steps.append(step)
        else:
            unchanged += 1
    problems += _short_of_seats(steps, states, {item: name for name, item in columns.items()})
    problems.sort(key=lambda each: each.line)
    return ImportPlan(tuple(steps), unchanged, tuple(problems))


def _new(line: MemberLine) -> tuple[Problem | None, Step | None]:
    if not line.name:
        return Problem("name", "import_name_missing"), None
    if line.status == "deactivated":
        return Problem("status", "import_new_deactivated"), None
    assigned = tuple(item for item, wanted in line.licences.items() if wanted)
    return None, Step(
        line.line, None, line.email, line.name, line.locale, None, (line.role or Role.MEMBER).value,
        None, "invited", assigned, (),
    )  # fmt: skip


_IMPOSSIBLE = {
    ("active", "invited"): "import_already_active",
    ("invited", "active"): "import_not_accepted",
    ("invited", "deactivated"): "import_withdraw",
    ("deactivated", "invited"): "import_was_deactivated",
}


def _known(line: MemberLine, known: MemberFacts) -> tuple[Problem | None, Step | None]:
    status = line.status or known.status
    role = line.role.value if line.role is not None else known.role
    impossible = _IMPOSSIBLE.get((known.status, status))
    if impossible is not None:
        return Problem("status", impossible), None
    loses_rights = role != Role.ADMIN or status == "deactivated"
    if known.role == Role.ADMIN and known.status == "active" and loses_rights:
        column = "status" if status == "deactivated" else "role"
        return Problem(column, "import_admin_consent", {"name": known.name}), None
    wanted = [item for item, said in line.licences.items() if said]
    if status == "deactivated":
        if known.status == "deactivated" and wanted:
            return Problem("status", "import_not_active"), None
        assigned: tuple[int, ...] = ()
        freed = tuple(sorted(known.items))
    else:
        assigned = tuple(item for item in wanted if item not in known.items)
        freed = tuple(i for i, said in line.licences.items() if not said and i in known.items)
        if known.status == "deactivated" and role == Role.MEMBER and not assigned:
            return Problem("status", "licence_needed"), None
    return None, Step(
        line.line, known.member_id, known.email, known.name, None, known.role, role, known.status,
        status, assigned, freed,
    )  # fmt: skip


def _short_of_seats(
    steps: Iterable[Step], states: Iterable[SubscriptionState], names: Mapping[int, str]
) -> list[LineProblem]:
    """Where licences run out: everything that the file frees is free before any is given."""
    steps = list(steps)
    known = {item.item_id: (state, item) for state in states for item in state.items}
    freed = Counter(item for step in steps for item in step.freed)
    left = {
        key: item.quantity - item.assigned + freed[key] for key, (_state, item) in known.items()
    }
    problems: list[LineProblem] = []
    for step in steps:
        for item_id in step.assigned:
            refused = may_assign(*known[item_id])
            if refused in {None, "no_seat_free"}:
                refused = None if left[item_id] > 0 else "import_no_seat"
            left[item_id] -= 1
            if refused is not None:
                column = names[item_id]
                problem = Problem(column, refused, {"column": column})
                problems.append(LineProblem(step.line, problem))
    return problems
