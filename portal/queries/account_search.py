"""Finding customers on the desk: by name, by any number, by e-mail address, page by page.

Every page begins behind the last row of the one before (keyset), so that the thousandth costs as
much as the first. `staff_id` narrows to the customers of an account executive; None is everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, exists, func, literal, or_, select, text, union_all
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.domain.account_words import prefix_end
from portal.domain.email_addresses import known_email
from portal.models import (
    Account,
    AccountWord,
    CreditNote,
    DunningCase,
    Invoice,
    Member,
    Order,
    Person,
    Quote,
    StaffMember,
)

__all__ = ["FoundAccount", "FoundNumber", "Place", "find_by_number", "list_accounts",
           "search_accounts"]  # fmt: skip

_MOST_NUMBERS = 20
_COUNTED = 500  # which of two words is rarer is known by then; of commoner ones either may lead

Place = tuple[str, int]
"""Where a page ended: the name or word of its last row, and the account's id."""


@dataclass(frozen=True, slots=True)
class FoundAccount:
    """A customer in the list; `word` is the one that was found, where words were looked for."""

    id: int
    name: str
    city: str
    country: str
    payment_terms: str
    executive: str | None
    owed_cases: int
    suspended_cases: int
    word: str = ""


@dataclass(frozen=True, slots=True)
class FoundNumber:
    """What has exactly the number or address that was typed. `what`: account, invoice, person, …"""

    what: str
    number: str
    account_id: int
    account_name: str


# Written out, so that both databases see that the partial index of the open cases holds them.
_CASES = select(func.count(DunningCase.id)).where(
    DunningCase.account_id == Account.id, text("dunning_case.status = 'open'")
)
_COLUMNS = (
    Account.id,
    Account.name,
    Account.city,
    Account.country,
    Account.payment_terms,
    Person.name,
    _CASES.correlate(Account).scalar_subquery(),
    _CASES.with_only_columns(func.count(DunningCase.suspended_at))
    .correlate(Account)
    .scalar_subquery(),
)


def _accounts(is_mine: bool, *more: Any) -> Select[Any]:
    found = (
        select(*_COLUMNS, *more)
        .select_from(Account)
        .outerjoin(
            StaffMember, (StaffMember.id == Account.account_executive_id) & StaffMember.active
        )
        .outerjoin(Person, Person.id == StaffMember.person_id)
        .limit(bindparam("limit"))
    )
    return found.where(Account.account_executive_id == bindparam("staff_id")) if is_mine else found


@cache
def _by_name(is_mine: bool) -> Select[Any]:
    # One comparison that the index begins with, and one that tells equal names apart.
    behind = or_(
        Account.name > bindparam("name"),
        and_(Account.name == bindparam("name"), Account.id > bindparam("id")),
    )
    return (
        _accounts(is_mine)
        .where(Account.name >= bindparam("name"), behind)
        .order_by(Account.name, Account.id)
    )


@cache
def _by_words(is_mine: bool, others: int) -> Select[Any]:
    """The first word leads, in the order of its index; the others are looked up by the account."""
    behind = or_(
        AccountWord.word > bindparam("word"),
        and_(AccountWord.word == bindparam("word"), AccountWord.account_id > bindparam("id")),
    )
    statement = (
        _accounts(is_mine, AccountWord.word)
        .join(AccountWord, AccountWord.account_id == Account.id)
        .where(
            AccountWord.word >= bindparam("word"),
            AccountWord.word < bindparam("end"),
            behind,
            # An account is listed once, at the first of its words that fits.
            ~_has_word("first", upto=AccountWord.word),
        )
        .order_by(AccountWord.word, AccountWord.account_id)
    )
    for place in range(others):
        statement = statement.where(_has_word(f"other_{place}"))
    if is_mine:  # their ids are read once, from an index, before any account is looked at
        mine = select(Account.id).where(Account.account_executive_id == bindparam("staff_id"))
        statement = statement.where(AccountWord.account_id.in_(mine))
    return statement


@cache
def _frequencies(words: int) -> Any:
    """How many accounts begin a word like each of `words`, counted up to a limit."""
    counts = []
    for place in range(words):
        some = (
            select(AccountWord.account_id)
            .where(
                AccountWord.word >= bindparam(f"word_{place}"),
                AccountWord.word < bindparam(f"end_{place}"),
            )
            .limit(_COUNTED)
            .subquery()
        )
        counts.append(select(func.count()).select_from(some).scalar_subquery())
    return select(*counts)


def _has_word(name: str, upto: Any = None) -> Any:
    other = AccountWord.__table__.alias(name)
    return exists().where(
        other.c.account_id == Account.id,
        other.c.word >= bindparam(name),
        other.c.word < (bindparam(f"{name}_end") if upto is None else upto),
    )


def list_accounts(
    connection: Connection, staff_id: int | None, *, behind: Place | None, limit: int
) -> list[FoundAccount]:
    """One page of the customers by name."""
    name, key = behind or ("", 0)
    values: dict[str, Any] = {"name": name, "id": key, "limit": limit}
    if staff_id is not None:
        values["staff_id"] = staff_id
    return [
        FoundAccount(*row)
        for row in fetch_all(connection, _by_name(staff_id is not None), **values)
    ]


def search_accounts(
    connection: Connection,
    words: Sequence[str],
    staff_id: int | None,
    *,
    behind: Place | None,
    limit: int,
) -> list[FoundAccount]:
    """One page of the customers that have a word beginning with each of `words` (normal ones).

    The rarest leads: of a name that many have and one that few have, only those few are looked at.
    """
    first, *others = _rarest_first(connection, words)
    word, key = behind or (first, 0)
    values: dict[str, Any] = {
        "first": first, "word": word, "end": prefix_end(first), "id": key, "limit": limit,
    }  # fmt: skip
    for place, other in enumerate(others):
        values |= {f"other_{place}": other, f"other_{place}_end": prefix_end(other)}
    if staff_id is not None:
        values["staff_id"] = staff_id
    statement = _by_words(staff_id is not None, len(others))
    return [FoundAccount(*row) for row in fetch_all(connection, statement, **values)]


def _rarest_first(connection: Connection, words: Sequence[str]) -> Sequence[str]:
    if len(words) == 1:
        return words
    values = {f"word_{place}": word for place, word in enumerate(words)}
    values |= {f"end_{place}": prefix_end(word) for place, word in enumerate(words)}
    counts = fetch_first(connection, _frequencies(len(words)), **values)
    return [
        word for _count, word in sorted(zip(counts, words, strict=True), key=lambda each: each[0])
    ]


def _numbered(what: str, table: Any, number: Any, condition: Any) -> Select[Any]:
    return (
        select(literal(what), number, Account.id, Account.name)
        .join(Account, Account.id == table.account_id)
        .where(condition)
    )


@cache
def _numbers(is_mine: bool) -> Any:
    typed: Any = bindparam("typed")
    compact: Any = bindparam("compact")
    found = [
        select(literal("account"), Account.name, Account.id, Account.name).where(
            Account.id == bindparam("account_id")
        ),
        select(literal("account"), Account.name, Account.id, Account.name).where(
            Account.external_ref == bindparam("as_typed")
        ),
        *(
            _numbered(what, table, table.number, table.number == typed)
            for what, table in (
                ("invoice", Invoice),
                ("credit_note", CreditNote),
                ("quote", Quote),
                ("order", Order),
            )
        ),
        # Written out, so that both databases see that the partial index of references holds it.
        _numbered(
            "invoice",
            Invoice,
            Invoice.number,
            and_(Invoice.payment_reference == compact, text("invoice.payment_reference <> ''")),
        ),
        select(literal("person"), Person.email, Account.id, Account.name)
        .join(Member, Member.person_id == Person.id)
        .join(Account, Account.id == Member.account_id)
        .where(Person.email == bindparam("email")),
    ]
    if is_mine:
        mine = Account.account_executive_id == bindparam("staff_id")
        found = [one.where(mine) for one in found]
    return union_all(*found).limit(_MOST_NUMBERS)


def find_by_number(connection: Connection, typed: str, staff_id: int | None) -> list[FoundNumber]:
    """What has the number (of a customer, a document, a transfer's reference) or e-mail `typed`."""
    compact = "".join(sign for sign in typed.upper() if sign.isalnum())
    is_id = typed.isascii() and typed.isdigit() and len(typed) <= 15
    values: dict[str, Any] = {
        "as_typed": typed, "typed": typed.upper(), "compact": compact, "email": known_email(typed),
        "account_id": int(typed) if is_id else 0,
    }  # fmt: skip
    if staff_id is not None:
        values["staff_id"] = staff_id
    found = fetch_all(connection, _numbers(staff_id is not None), **values)
    return list(dict.fromkeys(FoundNumber(*row) for row in found))
