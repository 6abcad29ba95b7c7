"""Whether a service package can be bought yet, or is asked for first (Q7)."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.service_packages import RequestStatus, WayTo, way_to_package
from portal.models import Account, ServiceRequest
from portal.queries.prices import get_service_package_price

__all__ = ["open_request", "require_arranged"]


def require_arranged(
    session: Session, account: Account, package_keys: Iterable[str], catalogue: Catalogue
) -> None:
    """DomainError `service_asked_first` for a package that the account cannot buy by itself yet."""
    for package in catalogue.offered_service_packages:
        if package.key not in package_keys:
            continue
        request = open_request(session, account.id, package.key)
        if request is not None and request.status == RequestStatus.ORDERED:
            continue  # it was arranged before; whoever pays for it again gets it again
        price = get_service_package_price(session.connection(), package.key, account.currency)
        way = way_to_package(
            package, is_priced=price is not None, payment_terms=account.payment_terms,
            status=request.status if request is not None else None,
        )  # fmt: skip
        if way in (WayTo.ASK, WayTo.WAIT):
            raise DomainError("service_asked_first")


def open_request(session: Session, account_id: int, package_key: str) -> ServiceRequest | None:
    """The account's open request for a package: of several that were bought, the latest."""
    return session.scalars(
        select(ServiceRequest)
        .where(
            ServiceRequest.account_id == account_id,
            ServiceRequest.package_key == package_key,
            ServiceRequest.closed_at.is_(None),
        )
        .order_by(ServiceRequest.id.desc())
        .limit(1)
    ).first()
