"""How a customer comes to a package, and what a request can become."""

from __future__ import annotations

import pytest

from portal.demo import demo_catalogue_text
from portal.domain.catalogue_file import parse_catalogue
from portal.domain.errors import DomainError
from portal.domain.service_packages import (
    RequestStatus,
    WayTo,
    next_request_status,
    way_to_package,
    words_on,
)

CATALOGUE = parse_catalogue(demo_catalogue_text())


@pytest.mark.parametrize(
    ("key", "terms", "is_priced", "status", "way"),
    [
        ("do-it-yourself", "automatic", False, None, WayTo.INCLUDED),
        ("do-it-yourself", "bank_transfer", False, None, WayTo.INCLUDED),
        ("together", "automatic", True, None, WayTo.BUY),
        ("together", "automatic", False, None, WayTo.ASK),
        ("together", "bank_transfer", True, None, WayTo.ASK),
        ("together", "bank_transfer", True, "asked", WayTo.WAIT),
        ("together", "bank_transfer", True, "confirmed", WayTo.WAIT),
        ("together", "automatic", True, "ordered", WayTo.WAIT),
        ("done-for-you", "automatic", True, None, WayTo.ASK),
        ("done-for-you", "automatic", True, "asked", WayTo.WAIT),
        ("done-for-you", "automatic", True, "confirmed", WayTo.BUY),
        ("done-for-you", "automatic", False, "confirmed", WayTo.WAIT),
        ("done-for-you", "automatic", True, "ordered", WayTo.WAIT),
    ],
)
def test_Q7_what_a_customer_can_do_about_a_package(
    key: str, terms: str, is_priced: bool, status: str | None, way: WayTo
) -> None:
    package = CATALOGUE.service_package(key)
    found = way_to_package(package, is_priced=is_priced, payment_terms=terms, status=status)
    assert found is way


MAY = {
    ("asked", "confirmed"), ("asked", "declined"), ("asked", "withdrawn"),
    ("confirmed", "done"), ("confirmed", "declined"),
    ("ordered", "done"),
}  # fmt: skip


@pytest.mark.parametrize("status", RequestStatus)
@pytest.mark.parametrize("word", RequestStatus)
def test_M2_a_request_never_goes_backwards_and_is_ordered_by_money_alone(
    status: RequestStatus, word: RequestStatus
) -> None:
    if (status.value, word.value) in MAY:
        assert next_request_status(status, word) is word
        return
    with pytest.raises(DomainError, match="request_moved_on") as refused:
        next_request_status(status, word)
    assert refused.value.data == {"status": status}


def test_what_is_over_can_be_had_anew() -> None:
    final = {status for status in RequestStatus if status.is_final}
    assert final == {RequestStatus.DONE, RequestStatus.DECLINED, RequestStatus.WITHDRAWN}


@pytest.mark.parametrize(
    ("status", "vendor", "customer"),
    [
        ("asked", {"confirmed", "declined"}, {"withdrawn"}),
        ("confirmed", {"done", "declined"}, set()),
        ("ordered", {"done"}, set()),
        ("done", set(), set()),
        ("withdrawn", set(), set()),
    ],
)
def test_Q7_who_has_a_word_on_a_request(status: str, vendor: set[str], customer: set[str]) -> None:
    assert words_on(status, by_vendor=True) == vendor
    assert words_on(status, by_vendor=False) == customer
