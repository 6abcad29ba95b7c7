"""Onboarding help: how a customer comes to a package, and how far the vendor is with it."""

from __future__ import annotations

from enum import StrEnum

from portal.domain.catalogue import DeliveredBy, ServicePackage
from portal.domain.errors import DomainError

__all__ = ["RequestStatus", "WayTo", "next_request_status", "way_to_package",
           "words_on"]  # fmt: skip


class RequestStatus(StrEnum):
    """Where a request for a package stands; `confirmed` says that the vendor can deliver it."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    ORDERED = "ordered"
    DONE = "done"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows: the package can be asked for or bought anew."""
        return self in (RequestStatus.DONE, RequestStatus.DECLINED, RequestStatus.WITHDRAWN)


class WayTo(StrEnum):
    """What a customer can do about a package."""

    INCLUDED = "included"
    WAIT = "wait"
    ASK = "ask"
    BUY = "buy"


# A package is ordered by paying for it, and by nobody's word; it is withdrawn by who asked for it.
_FOLLOWS = {
    RequestStatus.ASKED: {RequestStatus.CONFIRMED, RequestStatus.DECLINED, RequestStatus.WITHDRAWN},
    RequestStatus.CONFIRMED: {RequestStatus.DONE, RequestStatus.DECLINED},
    RequestStatus.ORDERED: {RequestStatus.DONE},
}


def way_to_package(
    package: ServicePackage, *, is_priced: bool, payment_terms: str, status: str | None
) -> WayTo:
    """How an account comes to `package`; `status` is that of its open request, None without one.

    Asked for first is what a partner delivers (whether there is one nearby has to be found out), what
    has no price in the account's currency, and everything of a bank-transfer customer, whose account
    executive prepares the invoice. Once the vendor has confirmed it, it is bought like any other.
    """
    if package.included:
        return WayTo.INCLUDED
    if status in (RequestStatus.ASKED, RequestStatus.ORDERED):
        return WayTo.WAIT
    alone = is_priced and payment_terms != "bank_transfer"
    if status == RequestStatus.CONFIRMED:
        return WayTo.BUY if alone else WayTo.WAIT
    if package.delivered_by is DeliveredBy.PARTNER or not alone:
        return WayTo.ASK
    return WayTo.BUY


def next_request_status(status: str, word: str) -> RequestStatus:
    """What a request becomes by a `word`; DomainError `request_moved_on` if it cannot."""
    if word not in words_on(status, by_vendor=True) | words_on(status, by_vendor=False):
        raise DomainError("request_moved_on", status=status)
    return RequestStatus(word)


def words_on(status: str, *, by_vendor: bool) -> set[RequestStatus]:
    """What a request can become by the vendor's word, or by the customer's."""
    follows = _FOLLOWS.get(RequestStatus(status), set())
    return {word for word in follows if (word is RequestStatus.WITHDRAWN) is not by_vendor}
