"""Reads the vendor's catalogue file: TOML text in, a `Catalogue` or all its mistakes out.

Which tables and keys the file has stands here; the demo's `portal/demo/catalog.toml` is
the commented example. Texts are tables of the five languages (`name.en = "…"`), or
`name.all` where the words are the same in each.
"""

from __future__ import annotations

import re
import tomllib
from types import MappingProxyType

from stdnum import bic, iban
from stdnum.eu import vat

from portal.domain.catalogue import (
    Address,
    BankAccount,
    Catalogue,
    CreditPack,
    DeliveredBy,
    Dunning,
    OneOffPrices,
    Policy,
    Product,
    ServicePackage,
    SupportContact,
    TrialPaidStart,
    UsagePrice,
    Vendor,
)
from portal.domain.catalogue_checks import (
    check_bic,
    check_colour,
    check_country,
    check_currency,
    check_email,
    check_iban,
    check_logo,
    check_phone,
    check_prefix,
    check_slug,
    check_time_zone,
    check_vat_country,
    check_vat_number,
)
from portal.domain.catalogue_products import Words, read_product
from portal.domain.catalogue_reader import CatalogueMistakes, Mistake, MistakeLog, Table
from portal.domain.periods import Interval

__all__ = ["CatalogueMistakes", "Mistake", "parse_catalogue"]

_MOST = 1_000_000_000
_SHORTEST_PERIOD_DAYS = {Interval.MONTH: 28, Interval.QUARTER: 89, Interval.YEAR: 365}


def parse_catalogue(text: str) -> Catalogue:
    """The catalogue that a file's text describes.

    Raises `CatalogueMistakes` with every mistake, each with its dotted place and line.
    Where the text is no TOML at all, that is the one mistake told.
    """
    log = MistakeLog()
    top = log.open((), _read_toml(text))
    catalogue = _catalogue(top)
    if mistakes := log.close(text):
        raise CatalogueMistakes(mistakes)
    return catalogue


def _read_toml(text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error)
    last_line = text.count("\n") + 1
    line: int | None = last_line if "end of document" in reason else None
    if at := re.search(r" \(at line (\d+), column \d+\)$", reason):
        line = int(at[1])
    reason = re.sub(r" \(at [^()]*\)$", "", reason)
    if reason.startswith(("Cannot overwrite", "Cannot declare", "Duplicate")):
        code, message = "duplicate", "This key or table stands in the file twice."
    else:
        code, message = "syntax", f"This is not valid TOML: {reason}."
    raise CatalogueMistakes((Mistake("", line, code, message),))


def _catalogue(top: Table) -> Catalogue:
    words = _words(top.table("words", required=False))
    products = tuple(
        read_product(key, table, words) for key, table in top.tables("products", required=True)
    )
    if top.has("products") and not products:
        top.note("missing", "There is no product to sell.", "products")
    policy_table = top.table("policy", required=False)
    policy = _policy(policy_table)
    _check_notice(policy_table, policy, products)
    packs = tuple(_credit_pack(key, table) for key, table in top.tables("credit_packs"))
    return Catalogue(
        vendor=_vendor(top.table("vendor")),
        policy=policy,
        products=products,
        credit_packs=tuple(sorted(packs, key=lambda pack: pack.credits)),
        usage_prices=tuple(
            UsagePrice(
                key=key,
                name=table.localized("name"),
                description=table.localized("description"),
                credits=table.whole("credits", 1, 1_000_000),
            )
            for key, table in top.tables("usage_prices")
        ),
        service_packages=tuple(
            _service_package(key, table) for key, table in top.tables("service_packages")
        ),
    )


def _words(table: Table) -> Words:
    words: Words = {}
    for key in table.all_keys():
        if flaw := check_slug(key):
            table.note(flaw.code, flaw.message, key)
        words[key] = table.localized(key)
    return words


def _vendor(table: Table) -> Vendor:
    address, bank, support = table.table("address"), table.table("bank"), table.table("support")
    country = address.text("country", check_country)
    vat_number = table.text("vat_number", check_vat_number)
    if vat_number:
        vat_number = re.sub("^GR", "EL", vat.compact(vat_number))
        if country and (flaw := check_vat_country(vat_number, country)):
            table.note(flaw.code, flaw.message, "vat_number")
    account, bank_code = bank.text("iban", check_iban), bank.text("bic", check_bic)
    return Vendor(
        brand=table.text("brand"),
        accent=table.text("accent", check_colour).lower(),
        legal_name=table.text("legal_name"),
        address=Address(
            street=address.text("street"),
            postcode=address.text("postcode"),
            city=address.text("city"),
            country=country,
        ),
        vat_number=vat_number,
        company_register=table.text("company_register"),
        bank=BankAccount(
            name=bank.text("name"),
            iban=iban.compact(account) if account else "",
            bic=bic.compact(bank_code) if bank_code else "",
        ),
        support=SupportContact(
            email=support.text("email", check_email),
            phone=support.text("phone", check_phone),
            hours=support.localized("hours"),
        ),
        time_zone=table.text("time_zone", check_time_zone),
        invoice_prefix=table.text("invoice_prefix", check_prefix, default=""),
        oss=table.flag("oss", default=False),
        logo=table.optional_text("logo", check_logo),
    )


def _policy(table: Table) -> Policy:
    usual = Policy()
    dunning = table.table("dunning", required=False)
    retry_days = dunning.rising_wholes("retry_days", 1, 90, default=usual.dunning.retry_days)
    suspend_on_day = dunning.whole(
        "suspend_on_day", 1, 180, default=max(retry_days[-1], usual.dunning.suspend_on_day)
    )
    if suspend_on_day < retry_days[-1]:
        message = f"Access must not end before the last retry on day {retry_days[-1]}."
        dunning.note("out_of_range", message, "suspend_on_day")
    return Policy(
        change_notice_days=table.whole(
            "change_notice_days", 0, 89, default=usual.change_notice_days
        ),
        quote_validity_days=table.whole(
            "quote_validity_days", 1, 365, default=usual.quote_validity_days
        ),
        order_processing_hours=table.whole(
            "order_processing_hours", 1, 720, default=usual.order_processing_hours
        ),
        invoice_due_days=table.whole("invoice_due_days", 0, 120, default=usual.invoice_due_days),
        trial_read_only_days=table.whole(
            "trial_read_only_days", 0, 365, default=usual.trial_read_only_days
        ),
        trial_paid_start=table.choice(
            "trial_paid_start", TrialPaidStart, default=usual.trial_paid_start
        ),
        manual_credit_approval_limit=table.whole(
            "manual_credit_approval_limit", 0, _MOST, default=usual.manual_credit_approval_limit
        ),
        payment_event_days=table.whole(
            "payment_event_days", 30, 3650, default=usual.payment_event_days
        ),
        low_balance_credits=table.whole(
            "low_balance_credits", 0, _MOST, default=usual.low_balance_credits
        ),
        dunning=Dunning(retry_days=retry_days, suspend_on_day=suspend_on_day),
    )


def _check_notice(table: Table, policy: Policy, products: tuple[Product, ...]) -> None:
    """A notice longer than a period could never be given in time for its renewal."""
    lists = [plan.prices for product in products for plan in product.plans]
    lists += [
        package.prices for product in products for a in product.add_ons for package in a.packages
    ]
    intervals = {interval for prices in lists for interval, _ in prices.minor}
    days = min((_SHORTEST_PERIOD_DAYS[interval] for interval in intervals), default=366)
    if policy.change_notice_days > days:
        message = f"The shortest period on sale has {days} days; the notice must fit in it."
        table.note("out_of_range", message, "change_notice_days")


def _one_off_prices(table: Table, *, required: bool) -> OneOffPrices:
    prices: dict[str, int] = {}
    outer = table.table("prices", required=required)
    for currency in outer.all_keys():
        if flaw := check_currency(currency):
            outer.note(flaw.code, flaw.message, currency)
        elif (amount := outer.amount(currency, currency)) is not None:
            prices[currency] = amount
    if required and table.has("prices") and not outer.all_keys():
        table.note("missing", "There is no price in any currency.", "prices")
    return OneOffPrices(MappingProxyType(prices))


def _credit_pack(key: str, table: Table) -> CreditPack:
    retired = table.flag("retired", default=False)
    return CreditPack(
        key=key,
        credits=table.whole("credits", 1, _MOST),
        prices=_one_off_prices(table, required=not retired),
        retired=retired,
    )


def _service_package(key: str, table: Table) -> ServicePackage:
    retired = table.flag("retired", default=False)
    included = table.flag("included", default=False)
    if included and table.has("prices"):
        table.note("contradiction", "What is included has no prices.", "prices")
    return ServicePackage(
        key=key,
        name=table.localized("name"),
        description=table.localized("description"),
        delivered_by=table.choice("delivered_by", DeliveredBy),
        prices=_one_off_prices(table, required=not (retired or included)),
        included=included,
        retired=retired,
    )
