"""What the support pages show of the packages: what each gives, its price, where a request stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from portal.domain.catalogue import Catalogue, ServicePackage
from portal.domain.money import Money
from portal.domain.service_packages import RequestStatus, WayTo, way_to_package
from portal.queries.support import ServiceRequestRow

__all__ = ["PackageView", "package_view", "package_views"]


@dataclass(frozen=True, slots=True)
class PackageView:
    """A package as its card shows it; `request` is the latest, open or not."""

    key: str
    name: str
    description: str
    delivered_by: str
    price: Money | None
    way: WayTo
    request: ServiceRequestRow | None


def package_views(
    catalogue: Catalogue, prices: Mapping[str, Money], requests: Sequence[ServiceRequestRow],
    payment_terms: str, locale: str,
) -> list[PackageView]:  # fmt: skip
    """The packages on sale, least help first."""
    return [
        package_view(package, prices.get(package.key), requests, payment_terms, locale)
        for package in catalogue.offered_service_packages
    ]


def package_view(
    package: ServicePackage, price: Money | None, requests: Iterable[ServiceRequestRow],
    payment_terms: str, locale: str,
) -> PackageView:  # fmt: skip
    """One package; `requests` are the account's, the newest first."""
    request = next((one for one in requests if one.package_key == package.key), None)
    is_open = request is not None and not RequestStatus(request.status).is_final
    return PackageView(
        key=package.key,
        name=package.name.in_(locale),
        description=package.description.in_(locale),
        delivered_by=package.delivered_by.value,
        price=price,
        way=way_to_package(
            package,
            is_priced=price is not None,
            payment_terms=payment_terms,
            status=request.status if request is not None and is_open else None,
        ),
        request=request,
    )
