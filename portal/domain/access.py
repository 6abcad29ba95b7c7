"""Who loses a licence when fewer are left: last assigned first, never an admin unasked (S6, S7)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from portal.domain.errors import DomainError

__all__ = ["FreeingPlan", "Held", "ItemFreeing", "plan_freeing", "require_freeable"]


@dataclass(frozen=True, slots=True)
class Held:
    """One licence of an item in a member's hands; `role` is an active member's, else `member`.

    `consented` tells that an admin agreed in writing to lose access since the licence was given.
    `elsewhere` counts the licences the member holds of other items: one without any is deactivated.
    """

    assignment_id: int
    item_id: int
    member_id: int
    role: str
    assigned_at: datetime
    consented: bool = False
    elsewhere: int = 0

    @property
    def is_admin(self) -> bool:
        """Whether the member has admin rights, which S7 guards."""
        return self.role == "admin"


@dataclass(frozen=True, slots=True)
class ItemFreeing:
    """An item's holders, the seats that are left, and whom the admins chose to give theirs back."""

    held: Sequence[Held]
    seats: int
    chosen: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class FreeingPlan:
    """Which licences are freed, whose members are deactivated, and how many could not be freed."""

    freed: tuple[Held, ...]
    deactivated: tuple[int, ...]
    overhang: int


def plan_freeing(items: Iterable[ItemFreeing], *, active_admins: int) -> FreeingPlan:
    """Free what exceeds each item's seats: the chosen members first, then the last assigned (S6).

    Ties go by id. An admin who has not consented is passed over, and so is the last active one
    where nothing else would be left to them (S7); what cannot be freed for that reason is the
    overhang. A member of whom no licence of any item is left is deactivated.
    """
    freed: list[Held] = []
    deactivated: list[int] = []
    overhang = 0
    lost: dict[int, int] = {}
    admins_left = active_admins
    for item in items:
        surplus = max(len(item.held) - item.seats, 0)
        latest_first = sorted(
            item.held, key=lambda h: (h.assigned_at, h.assignment_id), reverse=True
        )
        in_order = sorted(latest_first, key=lambda h: h.member_id not in item.chosen)
        for one in in_order:
            if not surplus:
                break
            leaves = one.elsewhere - lost.get(one.member_id, 0) <= 0
            if one.is_admin and (not one.consented or (leaves and admins_left <= 1)):
                continue
            surplus -= 1
            freed.append(one)
            lost[one.member_id] = lost.get(one.member_id, 0) + 1
            if leaves:
                deactivated.append(one.member_id)
                admins_left -= one.is_admin
        overhang += surplus
    return FreeingPlan(tuple(freed), tuple(deactivated), overhang)


def require_freeable(plan: FreeingPlan, known: int = 0) -> None:
    """Refuse a reduction, when it is asked, that only an admin's consent would make possible (S7).

    `known` is the overhang that there will be without it: what has become impossible elsewhere.
    """
    if plan.overhang > known:
        raise DomainError("admins_must_consent", missing=plan.overhang - known)
