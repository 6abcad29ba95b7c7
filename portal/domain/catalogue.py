"""What the vendor sells, and under which rules: the catalogue as frozen values.

The catalogue is read from one TOML file (see `catalogue_file.parse_catalogue`) and never
changes while the process runs. Amounts are whole minor units of their currency, net of
VAT. A price that is absent is not offered. Something `retired` keeps its name for the
subscriptions that still run on it, and is offered to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeVar

from portal.domain.money import Money
from portal.domain.periods import Interval

LOCALES = ("en", "nl", "fr", "it", "de")
"""The languages every text of the catalogue is written in; the first is the fallback."""


class TrialPaidStart(StrEnum):
    """When the first paid period of a trial that is bought begins."""

    TRIAL_END = "trial_end"
    AT_ONCE = "at_once"


class Charge(StrEnum):
    """What an add-on is counted by: its own seats, or once for the subscription."""

    PER_SEAT = "per_seat"
    FLAT = "flat"


class DeliveredBy(StrEnum):
    """Who does the work of a service package."""

    CUSTOMER = "customer"
    VENDOR = "vendor"
    PARTNER = "partner"


@dataclass(frozen=True, slots=True)
class LocalizedText:
    """One text in the five languages."""

    en: str
    nl: str
    fr: str
    it: str
    de: str

    @classmethod
    def same(cls, text: str) -> LocalizedText:
        """The same words in every language: a brand name, a number."""
        return cls(text, text, text, text, text)

    def in_(self, locale: str) -> str:
        """The text for a locale such as 'nl', 'nl_BE' or 'fr-CH'; English for any other."""
        language = locale.replace("-", "_").partition("_")[0].lower()
        return str(getattr(self, language)) if language in LOCALES else self.en


@dataclass(frozen=True, slots=True)
class PriceList:
    """Recurring prices by interval and currency, in minor units."""

    minor: Mapping[tuple[Interval, str], int] = field(hash=False)

    def get(self, interval: Interval, currency: str) -> Money | None:
        """The price, or None where it is not offered."""
        minor = self.minor.get((interval, currency))
        return None if minor is None else Money(minor, currency)

    def intervals(self, currency: str) -> tuple[Interval, ...]:
        """The billing periods offered in a currency, shortest first."""
        return tuple(i for i in Interval if (i, currency) in self.minor)

    @property
    def currencies(self) -> tuple[str, ...]:
        """The currencies with at least one price, in the order of the file."""
        return tuple(dict.fromkeys(currency for _, currency in self.minor))


@dataclass(frozen=True, slots=True)
class OneOffPrices:
    """Prices paid once, by currency, in minor units."""

    minor: Mapping[str, int] = field(hash=False)

    def get(self, currency: str) -> Money | None:
        """The price, or None where it is not offered."""
        minor = self.minor.get(currency)
        return None if minor is None else Money(minor, currency)

    @property
    def currencies(self) -> tuple[str, ...]:
        """The currencies with a price, in the order of the file."""
        return tuple(self.minor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A postal address; `country` is an ISO 3166 code such as 'BE'."""

    street: str
    postcode: str
    city: str
    country: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAccount:
    """Where customers transfer to; IBAN and BIC are stored without spaces."""

    name: str
    iban: str
    bic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportContact:
    """How a customer reaches a human being."""

    email: str
    phone: str
    hours: LocalizedText


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """The company that sells. `accent` is '#rrggbb'; `vat_number` is compact ('BE0…')."""

    brand: str
    accent: str
    legal_name: str
    address: Address
    vat_number: str
    company_register: str
    bank: BankAccount
    support: SupportContact
    time_zone: str
    invoice_prefix: str = ""
    oss: bool = False
    logo: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dunning:
    """Days after the failed renewal, or after a bank transfer's due date (rule M5)."""

    retry_days: tuple[int, ...] = (2, 7, 14, 21)
    suspend_on_day: int = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The vendor's own terms; days are calendar days, the approval limit is in credits.

    A wallet with fewer than `low_balance_credits` is low, unless its customer chose a threshold.
    """

    change_notice_days: int = 15
    quote_validity_days: int = 30
    order_processing_hours: int = 24
    invoice_due_days: int = 30
    trial_read_only_days: int = 14
    trial_paid_start: TrialPaidStart = TrialPaidStart.TRIAL_END
    manual_credit_approval_limit: int = 1000
    payment_event_days: int = 90
    low_balance_credits: int = 100
    dunning: Dunning = Dunning()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan of a product, priced per seat; a higher `rank` is an upgrade.

    Where `self_service` is False the customer cannot add seats alone, and
    `self_service_reason` says why.
    """

    key: str
    name: LocalizedText
    description: LocalizedText
    rank: int
    prices: PriceList
    self_service: bool = True
    self_service_reason: LocalizedText | None = None
    retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package of an add-on (Basic, Beyond); a higher `tier` gives more."""

    key: str
    name: LocalizedText
    description: LocalizedText
    tier: int
    prices: PriceList
    retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOn:
    """An add-on of a product, with one or more packages, lowest tier first.

    An add-on without named packages has exactly one, with the key 'standard' and the
    add-on's own name; `has_named_packages` is False then.
    """

    key: str
    name: LocalizedText
    description: LocalizedText
    charge: Charge
    packages: tuple[Package, ...]
    has_named_packages: bool
    self_service: bool = True
    self_service_reason: LocalizedText | None = None
    retired: bool = False

    def package(self, key: str) -> Package:
        """The package with this key, retired ones included; KeyError if there is none."""
        return _find(self.packages, key, "package", f"add-on '{self.key}'")

    @property
    def offered_packages(self) -> tuple[Package, ...]:
        """The packages a customer may choose, lowest tier first."""
        return tuple(p for p in self.packages if not (p.retired or self.retired))

    def label(self, package_key: str, locale: str) -> str:
        """How a line names it: 'Customer appointments Beyond', or just 'Data vault'."""
        name = self.name.in_(locale)
        package = self.package(package_key)
        return f"{name} {package.name.in_(locale)}" if self.has_named_packages else name


FeatureValue = bool | int | LocalizedText
"""Yes or no, a number (with the feature's unit), or a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One row of the plan comparison: a value for each plan of the product."""

    key: str
    name: LocalizedText
    values: Mapping[str, FeatureValue] = field(hash=False)
    unit: LocalizedText | None = None

    def value(self, plan_key: str) -> FeatureValue | None:
        """The value in a plan; None where a retired plan does not say."""
        return self.values.get(plan_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Something sold by the seat; plans are in order of rank, the rest as in the file."""

    key: str
    name: LocalizedText
    description: LocalizedText
    plans: tuple[Plan, ...]
    data_export_url: str
    chat_url: str
    entitlement_url: str | None = None
    add_ons: tuple[AddOn, ...] = ()
    features: tuple[Feature, ...] = ()
    self_service: bool = True
    self_service_reason: LocalizedText | None = None
    retired: bool = False

    def plan(self, key: str) -> Plan:
        """The plan with this key, retired ones included; KeyError if there is none."""
        return _find(self.plans, key, "plan", f"product '{self.key}'")

    def add_on(self, key: str) -> AddOn:
        """The add-on with this key, retired ones included; KeyError if there is none."""
        return _find(self.add_ons, key, "add-on", f"product '{self.key}'")

    @property
    def offered_plans(self) -> tuple[Plan, ...]:
        """The plans a customer may choose, lowest rank first."""
        return tuple(p for p in self.plans if not (p.retired or self.retired))

    @property
    def offered_add_ons(self) -> tuple[AddOn, ...]:
        """The add-ons of which a customer may choose at least one package."""
        return tuple(a for a in self.add_ons if not self.retired and a.offered_packages)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditPack:
    """A number of wallet credits sold at one price."""

    key: str
    credits: int
    prices: OneOffPrices
    retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePrice:
    """What one use of a paid service takes from the wallet, in credits."""

    key: str
    name: LocalizedText
    description: LocalizedText
    credits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePackage:
    """Onboarding help, least help first; `included` costs nothing and has no prices."""

    key: str
    name: LocalizedText
    description: LocalizedText
    delivered_by: DeliveredBy
    prices: OneOffPrices
    included: bool = False
    retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything the vendor's file says. Lookups raise KeyError with a clear message."""

    vendor: Vendor
    policy: Policy
    products: tuple[Product, ...]
    credit_packs: tuple[CreditPack, ...] = ()
    usage_prices: tuple[UsagePrice, ...] = ()
    service_packages: tuple[ServicePackage, ...] = ()

    def product(self, key: str) -> Product:
        """The product with this key, retired ones included."""
        return _find(self.products, key, "product", "the catalogue")

    def plan(self, product_key: str, plan_key: str) -> Plan:
        """A plan of a product, retired ones included."""
        return self.product(product_key).plan(plan_key)

    def add_on(self, product_key: str, add_on_key: str) -> AddOn:
        """An add-on of a product, retired ones included."""
        return self.product(product_key).add_on(add_on_key)

    def package(self, product_key: str, add_on_key: str, package_key: str) -> Package:
        """A package of an add-on, retired ones included."""
        return self.add_on(product_key, add_on_key).package(package_key)

    def credit_pack(self, key: str) -> CreditPack:
        """The credit pack with this key, retired ones included."""
        return _find(self.credit_packs, key, "credit pack", "the catalogue")

    def usage_price(self, key: str) -> UsagePrice:
        """The usage price with this key."""
        return _find(self.usage_prices, key, "usage price", "the catalogue")

    def service_package(self, key: str) -> ServicePackage:
        """The service package with this key, retired ones included."""
        return _find(self.service_packages, key, "service package", "the catalogue")

    @property
    def offered_products(self) -> tuple[Product, ...]:
        """The products with at least one plan a customer may choose."""
        return tuple(p for p in self.products if p.offered_plans)

    @property
    def offered_credit_packs(self) -> tuple[CreditPack, ...]:
        """The credit packs on sale, smallest first."""
        return tuple(p for p in self.credit_packs if not p.retired)

    @property
    def offered_service_packages(self) -> tuple[ServicePackage, ...]:
        """The service packages on sale."""
        return tuple(p for p in self.service_packages if not p.retired)

    @property
    def currencies(self) -> tuple[str, ...]:
        """The currencies in which at least one offered plan has a price."""
        plans = (plan for product in self.offered_products for plan in product.offered_plans)
        return tuple(dict.fromkeys(c for plan in plans for c in plan.prices.currencies))


class _Keyed(Protocol):
    @property
    def key(self) -> str: ...


_K = TypeVar("_K", bound=_Keyed)


def _find(things: Iterable[_K], key: str, what: str, where: str) -> _K:
    keys = []
    for thing in things:
        if thing.key == key:
            return thing
        keys.append(thing.key)
    there = ", ".join(keys) or "none"
    raise KeyError(f"there is no {what} '{key}' in {where} (there: {there})")
