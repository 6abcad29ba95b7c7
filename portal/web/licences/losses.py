"""Who loses a licence by what waits, as the licences page tells it (S6, S7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from portal.domain.access import Held
from portal.domain.catalogue import Catalogue
from portal.domain.seat_removal import plan_losses
from portal.domain.subscriptions import ChangeKind, SubscriptionState
from portal.queries.card_holders import CardHolders
from portal.web.changes.views import ChangeLine, change_line

__all__ = ["LossLine", "losers_to_read", "loss_lines"]

_NAMED = 10  # in a banner
_READ = 20


@dataclass(frozen=True, slots=True)
class LossLine:
    """A banner: `count` people lose a licence of an item by a reduction; some of them by name.

    `missing` more would have to, but are admins who have not agreed (S7). `chosen` tells that the
    admins named them; else they are the last assigned.
    """

    line: ChangeLine
    item_id: int
    count: int
    missing: int
    names: tuple[str, ...]
    members: frozenset[int]
    chosen: bool

    @property
    def more(self) -> int:
        """People who are not named."""
        return self.count - len(self.names)


def losers_to_read(states: Iterable[SubscriptionState]) -> tuple[int, list[int]]:
    """How many of the last assigned to read of each item, and the members that admins chose.

    One more than are named, because the last admin stays; none where nobody loses a licence.
    """
    most, chosen = 0, []
    for state in states:
        for change in state.changes_of(ChangeKind.SEATS):
            item = state.item(change.item_id)
            if item is not None:
                most = max(most, item.assigned - item.quantity - _reduced(state, item.item_id))
                chosen += change.target.get("free", ())
    return (min(most, _READ) + 1 if most > 0 else 0), chosen


def loss_lines(
    state: SubscriptionState, holders: CardHolders, catalogue: Catalogue, locale: str
) -> tuple[LossLine, ...]:
    """A line for each waiting reduction by which somebody loses a licence, the earliest first."""
    read = {item.item_id: holders.last.get(item.item_id, ()) for item in state.items}
    names = {one.held.assignment_id: one.name for people in read.values() for one in people}
    held: list[Held] = [one.held for people in read.values() for one in people]
    unlisted = {
        item.item_id: max(item.assigned - len(read[item.item_id]), 0) for item in state.items
    }
    losses = {
        loss.on: loss
        for loss in plan_losses(state, held, active_admins=holders.active_admins, unlisted=unlisted)
    }
    gone: dict[int, int] = {}
    lines = []
    for change in state.changes_of(ChangeKind.SEATS):
        item = state.item(change.item_id)
        ended = state.ends_on is not None and change.effective_on >= state.ends_on
        if item is None or ended:
            continue
        line = change_line(state, change, catalogue, locale)
        surplus = item.assigned - gone.get(item.item_id, 0) - line.after
        if surplus <= 0:
            continue
        loss = losses.get(change.effective_on)
        freed: Sequence[Held] = loss.of_item(item.item_id) if loss is not None else ()
        # Of many only the first are read: then the others are taken to be as free to go.
        count = surplus if len(read[item.item_id]) > _READ else len(freed)
        gone[item.item_id] = gone.get(item.item_id, 0) + count
        lines.append(
            LossLine(
                line=line,
                item_id=item.item_id,
                count=count,
                missing=surplus - count,
                names=tuple(names[one.assignment_id] for one in freed[:_NAMED]),
                members=frozenset(one.member_id for one in freed),
                chosen=bool(change.target.get("free")),
            )
        )
    return tuple(lines)


def _reduced(state: SubscriptionState, item_id: int) -> int:
    return sum(change.delta or 0 for change in state.changes_of(ChangeKind.SEATS, item_id))
