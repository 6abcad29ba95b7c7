"""Comparing two plans: what one has that the other has not (C1: a downgrade names what is lost)."""

from __future__ import annotations

from dataclasses import dataclass

from portal.domain.catalogue import Feature, FeatureValue, Product

__all__ = ["Difference", "differences"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A feature whose value is another in the other plan; `is_lost` where nothing is left of it."""

    feature: Feature
    before: FeatureValue
    after: FeatureValue

    @property
    def is_lost(self) -> bool:
        """Whether the other plan does not have it at all."""
        return self.after is False or (self.after == 0 and self.after is not True)


def differences(product: Product, before: str, after: str) -> tuple[Difference, ...]:
    """The features that change from plan `before` to plan `after`, those lost first.

    One that a retired plan says nothing about cannot be compared and is left out.
    """
    found = []
    for feature in product.features:
        old, new = feature.value(before), feature.value(after)
        if old is not None and new is not None and (type(old), old) != (type(new), new):
            found.append(Difference(feature, old, new))
    return tuple(sorted(found, key=lambda difference: not difference.is_lost))
