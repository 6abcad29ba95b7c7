"""Reads the file of accounts that a vendor begins with: TOML text in, frozen rows or mistakes out.

Which tables and keys the file has stands in docs/import.md. Everything that can be checked
without the database is checked here, against the catalogue and the present day.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import cast

from portal.domain.catalogue import LOCALES, Catalogue, Charge
from portal.domain.catalogue_checks import (
    Flaw,
    check_country,
    check_currency,
    check_email,
    check_text,
    check_time_zone,
)
from portal.domain.catalogue_reader import Mistake, MistakeLog, Table
from portal.domain.email_addresses import known_email, normal_email
from portal.domain.errors import DomainError
from portal.domain.periods import Interval, Term, local_date
from portal.domain.permissions import Role
from portal.domain.vat_numbers import check_vat_number

__all__ = [
    "AccountFileMistakes",
    "AccountRow",
    "ItemRow",
    "MemberRow",
    "SubscriptionRow",
    "read_account_file",
]

_MOST_SEATS = 100_000


class _Terms(StrEnum):
    AUTOMATIC = "automatic"
    BANK_TRANSFER = "bank_transfer"


class _Locale(StrEnum):
    EN = "en"
    NL = "nl"
    FR = "fr"
    IT = "it"
    DE = "de"


assert tuple(_Locale) == LOCALES


class AccountFileMistakes(ValueError):
    """The file cannot be imported; `mistakes` are all that was found, in the file's order."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A person of the account; `email` is in its normal form."""

    name: str
    email: str
    role: str
    locale: str


@dataclass(frozen=True, slots=True)
class ItemRow:
    """The plan or an add-on: `keys` are plan, or add-on and package. `price_minor` is a pinned
    price that differs from the catalogue's; `holders` are the e-mail addresses that hold a seat."""

    kind: str
    keys: tuple[str, ...]
    per_seat: bool
    quantity: int
    price_minor: int | None
    holders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A running subscription (`term` set: its period 0 is the present one), or a trial."""

    product: str
    items: tuple[ItemRow, ...]
    term: Term | None
    trial_ends_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """One account with everything in it; `ref` is the vendor's own name for it."""

    ref: str
    name: str
    locale: str
    time_zone: str
    currency: str
    payment_terms: str
    executive: str | None
    company_name: str
    address_line1: str
    address_line2: str
    postal_code: str
    city: str
    country: str
    vat_number: str | None
    vat_status: str
    billing_email: str
    purchase_order: str
    members: tuple[MemberRow, ...]
    subscriptions: tuple[SubscriptionRow, ...]


def read_account_file(
    text: str, catalogue: Catalogue, executives: Collection[str], now: datetime
) -> tuple[AccountRow, ...]:
    """The accounts that a file's text describes; `executives` are the e-mail addresses of the
    vendor's account executives. Raises AccountFileMistakes with every mistake and its line."""
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        at = re.search(r"\(at line (\d+)", str(error))
        mistake = Mistake("", int(at[1]) if at else None, "syntax", f"This is not TOML: {error}.")
        raise AccountFileMistakes((mistake,)) from None
    reader = _Reader(catalogue, executives, now)
    accounts = reader.read(values)
    if mistakes := reader.log.close(text):
        raise AccountFileMistakes(mistakes)
    return accounts


class _Reader:
    def __init__(self, catalogue: Catalogue, executives: Collection[str], now: datetime) -> None:
        self.log = MistakeLog()
        self.catalogue = catalogue
        self.executives = executives
        self.now = now

    def read(self, values: dict[str, object]) -> tuple[AccountRow, ...]:
        top = self.log.open((), values)
        rows = tuple(self._account(ref, table) for ref, table in top.tables("accounts"))
        if not rows and not top.has("accounts"):
            top.note("missing", "There is no account in this file.", "accounts")
        return rows

    def _rows(self, table: Table, key: str) -> Iterator[Table]:
        """The tables of an array such as [[accounts.x.members]]."""
        value = table.raw(key)
        if value is None:
            return
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            table.note("wrong_type", "Write this as tables in double brackets.", key)
            return
        for at, row in enumerate(cast("list[dict[str, object]]", value)):
            yield self.log.open((*table.place, key, str(at)), row)

    def _account(self, ref: str, table: Table) -> AccountRow:
        name = table.text("name", _check_name)
        billing = table.table("billing")
        currency = table.text("currency", check_currency)
        time_zone = table.text("time_zone", check_time_zone)
        country = billing.text("country", check_country)
        number, status = self._vat(billing, country)
        executive = table.optional_text("account_executive", check_email)
        if executive is not None and known_email(executive) not in self.executives:
            table.note("unknown", "The vendor has no account executive with this e-mail address.",
                       "account_executive")  # fmt: skip
        locale = table.choice("locale", _Locale)
        members = self._members(table, locale)
        today = _today(self.now, time_zone)
        emails = {member.email for member in members}
        subscriptions: list[SubscriptionRow] = []
        for row in self._rows(table, "subscriptions"):
            subscription = self._subscription(row, currency or "EUR", today, emails)
            if subscription.product in {other.product for other in subscriptions}:
                row.note("duplicate", "This product has a subscription above already.", "product")
            subscriptions.append(subscription)
        return AccountRow(
            ref=ref,
            name=name,
            locale=locale.value,
            time_zone=time_zone,
            currency=currency,
            payment_terms=table.choice("payment_terms", _Terms, default=_Terms.AUTOMATIC).value,
            executive=known_email(executive) if executive else None,
            company_name=billing.text("company_name", _check_name, default=name),
            address_line1=billing.text("address_line1", _check_name),
            address_line2=billing.text("address_line2", _check_name, default=""),
            postal_code=billing.text("postal_code", _check_code),
            city=billing.text("city", _check_name),
            country=country,
            vat_number=number,
            vat_status=status,
            billing_email=billing.text("email", check_email).lower(),
            purchase_order=billing.text("purchase_order", _check_name, default=""),
            members=members,
            subscriptions=tuple(subscriptions),
        )

    def _vat(self, billing: Table, country: str) -> tuple[str | None, str]:
        text = billing.optional_text("vat_number", check_text)
        confirmed = billing.flag("vat_confirmed", default=False)
        if not text or not country:
            return None, "none"
        try:
            return check_vat_number(text, country), "valid" if confirmed else "unchecked"
        except DomainError as error:
            words = {
                "vat_number_other_country": "This VAT number is of another country than the address.",
                "vat_number_too_long": "This VAT number is too long.",
            }
            billing.note(
                error.code, words.get(error.code, "This is not a valid VAT number."), "vat_number"
            )
            return None, "none"

    def _members(self, table: Table, locale: str) -> tuple[MemberRow, ...]:
        rows: list[MemberRow] = []
        for row in self._rows(table, "members"):
            email = _address(row)
            if email and email in {other.email for other in rows}:
                row.note("duplicate", "This e-mail address stands above already.", "email")
            rows.append(
                MemberRow(
                    row.text("name", _check_name),
                    email,
                    row.choice("role", Role, default=Role.MEMBER).value,
                    row.choice("locale", _Locale, default=_Locale(locale)).value,
                )
            )
        if not any(row.role == Role.ADMIN for row in rows):
            table.note("no_admin", "An account needs at least one member with role = \"admin\".",
                       "members")  # fmt: skip
        return tuple(rows)

    def _subscription(
        self, row: Table, currency: str, today: date | None, emails: set[str]
    ) -> SubscriptionRow:
        product_key = row.text("product", check_text)
        trial = row.has("trial_ends_on")
        ends = _day(row, "trial_ends_on") if trial else None
        term = None if trial else self._term(row, today)
        if trial and ends is not None and today is not None and ends <= today:
            row.note("past", "This trial is over: leave it out.", "trial_ends_on")
        interval = None if term is None else term.interval
        items = []
        plan_key = row.text("plan", check_text)
        product = next((p for p in self.catalogue.products if p.key == product_key), None)
        if product is None:
            if product_key:
                row.note("unknown", "The catalogue has no such product.", "product")
        elif plan_key not in {plan.key for plan in product.plans}:
            if plan_key:
                row.note("unknown", "The product has no such plan.", "plan")
        else:
            offered = product.plan(plan_key).prices
            price = self._price(row, interval, currency, offered.minor, trial)
            items.append(self._item(row, "plan", (plan_key,), True, price, emails))
        if not items:  # the rest of the row is checked all the same
            self._price(row, None, currency, {}, True)
            self._item(row, "plan", (plan_key,), True, None, emails)
        for table in self._rows(row, "add_ons"):
            key = table.text("add_on", check_text)
            package = table.text("package", check_text, default="standard")
            add_on = next((a for a in product.add_ons if a.key == key), None) if product else None
            found = add_on and next((p for p in add_on.packages if p.key == package), None)
            if product is not None and (add_on is None or found is None):
                table.note("unknown", "The product has no such add-on or package.", "add_on")
            per_seat = add_on is None or add_on.charge is Charge.PER_SEAT
            offers = found.prices.minor if found else {}
            known = found is not None
            price = self._price(table, interval, currency, offers, trial or not known)
            items.append(self._item(table, "add_on", (key, package), per_seat, price, emails))
        return SubscriptionRow(product_key, tuple(items), term, ends)

    def _price(
        self, row: Table, interval: Interval | None, currency: str, offered: object, free: bool
    ) -> int | None:
        minor = row.amount("price", currency)
        prices = cast("dict[tuple[Interval, str], int]", offered)
        if free or interval is None or row.has("price"):
            return minor
        if (interval, currency) not in prices:
            row.note("no_price", f"The catalogue has no price for a {interval} in {currency}: "
                     "give the customer's own, as price = \"75.00\".", "price")  # fmt: skip
        return None

    def _item(
        self, row: Table, kind: str, keys: tuple[str, ...], per_seat: bool, price: int | None,
        emails: set[str],
    ) -> ItemRow:  # fmt: skip
        quantity = row.whole("seats", 1, _MOST_SEATS) if per_seat else 1
        holders: list[str] = []
        value = row.raw("assigned")
        if value is not None and not isinstance(value, list):
            row.note("wrong_type", "This must be a list of e-mail addresses.", "assigned")
            value = None
        for at, email in enumerate(value or []):
            holder = known_email(email) if isinstance(email, str) else None
            if holder is None or holder not in emails:
                row.note("unknown", "Nobody of this account has this e-mail address.",
                         "assigned", str(at))  # fmt: skip
            elif holder in holders:
                row.note("duplicate", "This person holds a seat already.", "assigned", str(at))
            else:
                holders.append(holder)
        if len(holders) > (quantity if per_seat else 0):
            row.note("too_many", "More people hold a seat than there are seats.", "assigned")
        return ItemRow(kind, keys, per_seat, quantity, price, tuple(holders))

    def _term(self, row: Table, today: date | None) -> Term | None:
        interval = row.choice("interval", Interval)
        start = _day(row, "period_start")
        anchor = row.whole("anchor_day", 1, 31, default=start.day if start else 1)
        if start is None or today is None:
            return None
        try:
            term = Term.opening_at(start, interval, anchor)
        except DomainError:
            row.note("anchor", f"A period with anchor day {anchor} does not begin on {start}.",
                     "anchor_day")  # fmt: skip
            return None
        if not term.period(0).contains(today):
            row.note("not_current", f"The period from {start} to {term.period(0).last_day} is not "
                     "the present one.", "period_start")  # fmt: skip
        return term


def _address(row: Table) -> str:
    """The row's "email" in the one form in which addresses are stored; "" where it is none."""
    text = row.text("email", check_email)
    if not text:
        return ""
    try:
        return normal_email(text)
    except DomainError:
        row.note("bad_email", "This is not an e-mail address.", "email")
        return ""


def _day(row: Table, key: str) -> date | None:
    if not row.has(key):
        row.note("missing", f'"{key}" is missing.', key)
        return None
    value = row.raw(key)
    if isinstance(value, datetime) or not isinstance(value, date):
        row.note("wrong_type", "This must be a date without quotes, such as 2026-11-30.", key)
        return None
    return value


def _today(now: datetime, time_zone: str) -> date | None:
    return local_date(now, time_zone) if time_zone else None


def _check_name(text: str) -> Flaw | None:
    return check_text(text) or (Flaw("too_long", "This is longer than 200 characters.")
                                if len(text) > 200 else None)  # fmt: skip


def _check_code(text: str) -> Flaw | None:
    return check_text(text) or (Flaw("too_long", "This is longer than 40 characters.")
                                if len(text) > 40 else None)  # fmt: skip
