"""The way of a change request: which step follows which, and what the timeline tells."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portal.domain.errors import DomainError
from portal.domain.requests import (
    OPEN_STATUSES,
    RequestKind,
    RequestStatus,
    RequestStep,
    StepTaken,
    can_take,
    next_status,
    plan_timeline,
)

AT = datetime(2026, 10, 29, 9, tzinfo=UTC)
ALL = [
    (kind, status, step) for kind in RequestKind for status in RequestStatus for step in RequestStep
]


def taken(*statuses: str) -> list[StepTaken]:
    return [StepTaken(AT, RequestStatus(one), "Hugo", True) for one in statuses]


def told(kind: RequestKind, *statuses: str) -> list[tuple[str, bool]]:
    entries = plan_timeline(kind, RequestStatus(statuses[-1]), taken(*statuses))
    return [(entry.status.value, entry.taken is not None) for entry in entries]


@pytest.mark.parametrize(("kind", "status", "step"), ALL)
def test_a_finished_request_never_goes_on(
    kind: RequestKind, status: RequestStatus, step: RequestStep
) -> None:
    if status.is_final:
        assert not can_take(kind, status, step)
        with pytest.raises(DomainError) as refused:
            next_status(kind, status, step)
        assert (refused.value.code, refused.value.data) == (
            "change_request_moved_on",
            {"status": status.value},
        )
    else:
        assert status in OPEN_STATUSES


@pytest.mark.parametrize(
    ("steps", "end"),
    [
        (("take", "invoice", "pay", "activate"), "done"),
        (("invoice", "activate"), "done"),  # granted before the money came (Q3)
        (("take", "invoice", "lapse", "invoice", "pay", "activate"), "done"),
        (("take", "invoice", "lapse", "decline"), "declined"),
        (("take", "withdraw"), "withdrawn"),
        (("take", "take", "decline"), "declined"),
    ],
)
def test_Q3_the_way_of_what_is_bought(steps: tuple[str, ...], end: str) -> None:
    status = RequestStatus.SENT
    for step in steps:
        status = next_status(RequestKind.MORE_SEATS, status, RequestStep(step))
    assert status == end


@pytest.mark.parametrize("kind", [RequestKind.FEWER_SEATS, RequestKind.PERIOD])
def test_S4_what_waits_for_a_renewal_is_confirmed_and_never_invoiced(kind: RequestKind) -> None:
    assert next_status(kind, RequestStatus.SENT, RequestStep.CONFIRM) is RequestStatus.CONFIRMED
    for status in RequestStatus:
        assert not can_take(kind, status, RequestStep.INVOICE)


def test_a_plan_is_bought_or_waits_and_words_are_finished_or_bought() -> None:
    sent = RequestStatus.SENT

    def open_to(kind: RequestKind) -> set[str]:
        return {step.value for step in RequestStep if can_take(kind, sent, step)}

    always = {"take", "decline", "withdraw"}
    assert open_to(RequestKind.PLAN) == always | {"confirm", "invoice"}
    assert open_to(RequestKind.OTHER) == always | {"finish", "invoice"}
    assert open_to(RequestKind.MORE_SEATS) == always | {"invoice"}
    assert open_to(RequestKind.FEWER_SEATS) == always | {"confirm"}


@pytest.mark.parametrize("status", ["invoiced", "paid"])
def test_an_invoiced_request_is_neither_declined_nor_withdrawn(status: str) -> None:
    for step in (RequestStep.DECLINE, RequestStep.WITHDRAW, RequestStep.INVOICE):
        assert not can_take(RequestKind.MORE_SEATS, RequestStatus(status), step)


def test_the_timeline_tells_what_happened_and_what_is_to_come() -> None:
    assert told(RequestKind.MORE_SEATS, "sent") == [
        ("sent", True), ("preparing", False), ("invoiced", False), ("paid", False), ("done", False),
    ]  # fmt: skip
    assert told(RequestKind.FEWER_SEATS, "sent", "preparing") == [
        ("sent", True), ("preparing", True), ("confirmed", False),
    ]  # fmt: skip
    assert told(RequestKind.PLAN, "sent") == [("sent", True), ("preparing", False)]
    assert told(RequestKind.PLAN, "sent", "invoiced")[-2:] == [("paid", False), ("done", False)]
    assert told(RequestKind.OTHER, "sent")[-1] == ("done", False)


def test_an_invoice_that_lapsed_leads_back_and_nothing_is_forgotten() -> None:
    assert told(RequestKind.MORE_SEATS, "sent", "preparing", "invoiced", "preparing") == [
        ("sent", True), ("preparing", True), ("invoiced", True), ("preparing", True),
        ("invoiced", False), ("paid", False), ("done", False),
    ]  # fmt: skip


@pytest.mark.parametrize("end", ["done", "confirmed", "declined", "withdrawn"])
def test_nothing_comes_after_the_end(end: str) -> None:
    assert told(RequestKind.MORE_SEATS, "sent", end) == [("sent", True), (end, True)]
