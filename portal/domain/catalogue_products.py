"""The part of the catalogue file about products: plans, add-ons, features and prices."""

from __future__ import annotations

from types import MappingProxyType

from portal.domain.catalogue import (
    AddOn,
    Charge,
    Feature,
    FeatureValue,
    LocalizedText,
    Package,
    Plan,
    PriceList,
    Product,
)
from portal.domain.catalogue_checks import check_currency, check_url, suggestion
from portal.domain.catalogue_reader import Table
from portal.domain.periods import Interval

Words = dict[str, LocalizedText]
"""The texts that several features share, by key."""

_MOST = 1_000_000_000
_SINGLE_PACKAGE = "standard"
_Reason = LocalizedText | None


def read_product(key: str, table: Table, words: Words) -> Product:
    """One product and everything sold with it; mistakes go to the table's log."""
    alone, reason = _self_service(table, inherited=(True, None))
    retired = table.flag("retired", default=False)
    plan_tables = list(table.tables("plans", required=True))
    plans = [_plan(name, inner, (alone, reason), retired) for name, inner in plan_tables]
    if table.has("plans") and not plan_tables:
        table.note("missing", "A product needs at least one plan.", "plans")
    _check_unique(
        "rank", [(t, p.key, p.rank) for (_, t), p in zip(plan_tables, plans, strict=True)]
    )
    return Product(
        key=key,
        name=table.localized("name"),
        description=table.localized("description"),
        plans=tuple(sorted(plans, key=lambda plan: plan.rank)),
        data_export_url=table.text("data_export_url", check_url),
        chat_url=table.text("chat_url", check_url),
        entitlement_url=table.optional_text("entitlement_url", check_url),
        add_ons=tuple(
            _add_on(name, inner, (alone, reason), retired)
            for name, inner in table.tables("add_ons")
        ),
        features=tuple(
            _feature(name, inner, plans, words) for name, inner in table.tables("features")
        ),
        self_service=alone,
        self_service_reason=reason,
        retired=retired,
    )


def _self_service(table: Table, inherited: tuple[bool, _Reason]) -> tuple[bool, _Reason]:
    """Whether customers add seats alone, and if not, why; a part inherits from its product."""
    reason = table.optional_localized("self_service_reason")
    alone = table.flag("self_service", default=inherited[0])
    if not table.has("self_service") and reason is None:
        return inherited
    if alone and reason is not None:
        message = "A reason is given, but self_service is not false."
        table.note("contradiction", message, "self_service_reason")
    if not alone and reason is None and inherited[1] is None:
        message = "self_service is false, so customers need a reason in the five languages."
        table.note("missing", message, "self_service_reason")
    return alone, None if alone else reason or inherited[1]


def _plan(key: str, table: Table, inherited: tuple[bool, _Reason], retired: bool) -> Plan:
    retired_itself = table.flag("retired", default=False)
    alone, reason = _self_service(table, inherited)
    return Plan(
        key=key,
        name=table.localized("name"),
        description=table.localized("description"),
        rank=table.whole("rank", 0, 1000),
        prices=_price_list(table, required=not (retired or retired_itself)),
        self_service=alone,
        self_service_reason=reason,
        retired=retired_itself,
    )


def _add_on(key: str, table: Table, inherited: tuple[bool, _Reason], retired: bool) -> AddOn:
    retired_itself = table.flag("retired", default=False)
    gone = retired or retired_itself
    name, description = table.localized("name"), table.localized("description")
    alone, reason = _self_service(table, inherited)
    named = table.has("packages")
    if named and table.has("prices"):
        table.note("contradiction", "Give either packages or prices, not both.", "prices")
    if named:
        package_tables = list(table.tables("packages"))
        packages = [_package(name, inner, gone) for name, inner in package_tables]
        pairs = zip(package_tables, packages, strict=True)
        _check_unique("tier", [(inner, p.key, p.tier) for (_, inner), p in pairs])
        if not packages:
            table.note("missing", "An add-on needs a package or prices.", "packages")
    else:
        prices = _price_list(table, required=not gone)
        packages = [
            Package(key=_SINGLE_PACKAGE, name=name, description=description, tier=1, prices=prices)
        ]
    return AddOn(
        key=key,
        name=name,
        description=description,
        charge=table.choice("charge", Charge),
        packages=tuple(sorted(packages, key=lambda package: package.tier)),
        has_named_packages=named,
        self_service=alone,
        self_service_reason=reason,
        retired=retired_itself,
    )


def _package(key: str, table: Table, retired: bool) -> Package:
    retired_itself = table.flag("retired", default=False)
    return Package(
        key=key,
        name=table.localized("name"),
        description=table.localized("description"),
        tier=table.whole("tier", 0, 1000),
        prices=_price_list(table, required=not (retired or retired_itself)),
        retired=retired_itself,
    )


def _check_unique(what: str, found: list[tuple[Table, str, int]]) -> None:
    taken: dict[int, str] = {}
    for table, key, number in found:
        if table.raw(what) != number:
            continue  # missing or wrong, and told already: the number is a stand-in
        if number in taken:
            message = f'The {what} {number} is already that of "{taken[number]}".'
            table.note("duplicate", message, what)
        else:
            taken[number] = key


def _feature(key: str, table: Table, plans: list[Plan], words: Words) -> Feature:
    values_table = table.table("values")
    values: dict[str, FeatureValue] = {}
    for plan in plans:
        if values_table.has(plan.key):
            values[plan.key] = _feature_value(values_table, plan.key, words)
        elif not plan.retired:
            message = f'The value for the plan "{plan.key}" is missing.'
            values_table.note("missing", message, plan.key)
    return Feature(
        key=key,
        name=table.localized("name"),
        values=MappingProxyType(values),
        unit=table.optional_localized("unit"),
    )


def _feature_value(table: Table, key: str, words: Words) -> FeatureValue:
    value = table.raw(key)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return table.whole(key, 0, _MOST)
    if isinstance(value, dict):
        return table.localized(key)
    if not isinstance(value, str):
        message = "This must be true, false, a whole number, a word or a text in five languages."
        table.note("wrong_type", message, key)
    elif value in words:
        return words[value]
    else:
        message = f"There is no such word under [words].{suggestion(value, sorted(words))}"
        table.note("unknown_word", message, key)
    return False


def _price_list(table: Table, *, required: bool) -> PriceList:
    prices: dict[tuple[Interval, str], int] = {}
    outer = table.table("prices", required=required)
    for currency in outer.all_keys():
        if flaw := check_currency(currency):
            outer.note(flaw.code, flaw.message, currency)
            continue
        by_interval = outer.table(currency)
        for interval in Interval:
            amount = by_interval.amount(str(interval), currency)
            if amount is not None:
                prices[interval, currency] = amount
        if not any(by_interval.has(str(interval)) for interval in Interval):
            message = "There is no price here for a month, a quarter or a year."
            outer.note("missing", message, currency)
    if required and table.has("prices") and not outer.all_keys():
        table.note("missing", "There is no price in any currency.", "prices")
    return PriceList(MappingProxyType(prices))
