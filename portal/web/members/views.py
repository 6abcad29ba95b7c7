"""What the pages of members show, put together from what was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.domain.assignments import may_assign
from portal.domain.catalogue import Catalogue
from portal.domain.labels import item_label
from portal.domain.member_import import ImportPlan, Step
from portal.domain.subscriptions import SubscriptionState
from portal.queries.members import HeldLicence
from portal.web.messages import problem_sentence

__all__ = ["Licence", "Listed", "ProblemLine", "StepLine", "labels_of", "licences", "listed_problems",
           "listed_steps", "products_of"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence that the account has: whether the person holds it, else whether they can.

    `refused` is the code of the reason why nobody gets one now.
    """

    item_id: int
    subscription_id: int
    label: str
    since: datetime | None
    free: int
    quantity: int
    refused: str | None
    is_plan: bool


@dataclass(frozen=True, slots=True)
class StepLine:
    """A step of an import with the names of its licences."""

    step: Step
    assigned: tuple[str, ...]
    freed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProblemLine:
    """What is wrong in a line of a file, as a sentence."""

    line: int
    column: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Listed:
    """The first of a long list, and how many there are in all."""

    first: Sequence[Any]
    count: int

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.count - len(self.first)


def licences(
    states: Iterable[SubscriptionState],
    held: Iterable[HeldLicence],
    catalogue: Catalogue,
    locale: str,
) -> list[Licence]:
    """One for each item that is sold by the seat, in the order in which they were bought."""
    since = {each.item_id: each.since for each in held}
    return [
        Licence(
            item_id=item.item_id,
            subscription_id=state.subscription_id,
            label=item_label(catalogue, state.product_key, item, locale),
            since=since.get(item.item_id),
            free=item.free,
            quantity=item.quantity,
            refused=may_assign(state, item),
            is_plan=item.kind == "plan",
        )
        for state in states
        for item in state.items
        if item.per_seat
    ]


def labels_of(
    states: Iterable[SubscriptionState], catalogue: Catalogue, locale: str
) -> dict[int, str]:
    """How each item that is sold by the seat is called, by its id."""
    return {each.item_id: each.label for each in licences(states, (), catalogue, locale)}


def products_of(
    states: Iterable[SubscriptionState], catalogue: Catalogue, locale: str
) -> list[tuple[str, str]]:
    """The products that the list can be narrowed to: key and name."""
    return [
        (state.product_key, catalogue.product(state.product_key).name.in_(locale))
        for state in states
        if any(item.per_seat for item in state.items)
    ]


def listed_steps(plan: ImportPlan, labels: Mapping[int, str], most: int) -> Listed:
    """The first steps of an import, as its preview shows them."""
    return Listed(
        [
            StepLine(
                step,
                tuple(labels.get(item, "") for item in step.assigned),
                tuple(labels.get(item, "") for item in step.freed),
            )
            for step in plan.steps[:most]
        ],
        len(plan.steps),
    )


def listed_problems(plan: ImportPlan, most: int) -> Listed:
    """The first problems of an import, as sentences."""
    return Listed(
        [
            ProblemLine(each.line, each.problem.field,
                        problem_sentence(each.problem.code, each.problem.data))
            for each in plan.problems[:most]
        ],
        len(plan.problems),
    )  # fmt: skip
