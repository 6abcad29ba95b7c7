"""Who may get a licence: never more than there are, and none while an overhang lasts (S7, S9)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from portal.domain.errors import DomainError
from portal.domain.subscriptions import ItemState, SubscriptionState
from portal.domain.trials import READ_ONLY

__all__ = ["may_assign", "plan_assignments", "recorded_overhang", "require_licence_to_return"]

_USABLE = frozenset({"active", "trial"})


def may_assign(state: SubscriptionState, item: ItemState) -> str | None:
    """None where one more licence of `item` may be given to somebody, else the reason's code."""
    if not item.per_seat:
        return "licence_unknown"
    if state.status == READ_ONLY:
        return "licence_read_only"
    if state.status not in _USABLE:
        return "licence_suspended"
    if state.overhang:
        return "overhang_recorded"
    return None if item.free else "no_seat_free"


def plan_assignments(
    states: Iterable[SubscriptionState], wanted: Iterable[int], held: Collection[int] = ()
) -> tuple[ItemState, ...]:
    """The items among `wanted` of which somebody who holds `held` gets a licence, in their order.

    One who has it already gets nothing more. DomainError `licence_unknown` for an item that the
    account does not have, `licence_read_only`, `licence_suspended`, `overhang_recorded`,
    `no_seat_free`.
    """
    known = {item.item_id: (state, item) for state in states for item in state.items}
    given: list[ItemState] = []
    for item_id in dict.fromkeys(wanted):
        if item_id not in known:
            raise DomainError("licence_unknown")
        state, item = known[item_id]
        if item_id in held:
            continue
        refused = may_assign(state, item)
        if refused is not None:
            raise DomainError(refused)
        given.append(item)
    return tuple(given)


def recorded_overhang(state: SubscriptionState) -> int:
    """The overhang that stays recorded: never more than what is held beyond the seats (S7)."""
    beyond = sum(max(i.assigned - i.quantity, 0) for i in state.items if i.per_seat)
    return min(state.overhang, beyond)


def require_licence_to_return(role: str, items: Collection[int]) -> None:
    """A member comes back with a licence (S6: without any they are deactivated).

    Admins and billing admins have work to do without one. DomainError `licence_needed`.
    """
    if role == "member" and not items:
        raise DomainError("licence_needed")
