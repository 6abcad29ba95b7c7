"""Bank statements as CAMT.053 (ISO 20022), in whichever version the bank sends.

The versions differ in their namespace and in a few elements that moved a level; elements are found
by their local name. The file comes from outside: entities are refused, its size is bounded.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, DecimalException
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from portal.domain.bank_statements import Statement, StatementEntry
from portal.domain.errors import DomainError
from portal.domain.money import Money, minor_digits

__all__ = ["MAXIMUM_BYTES", "MAXIMUM_ENTRIES", "read_statements"]

MAXIMUM_BYTES = 10 * 1024 * 1024
MAXIMUM_ENTRIES = 20_000

_MESSAGE = "BkToCstmrStmt"
_SIGNS = {"CRDT": 1, "DBIT": -1}
_MOST_ELEMENTS, _DEEPEST = 1_000_000, 100
"""A small file can hold a tree that fills the memory: statements are far below both."""
_LONGEST_TEXT = 500
_LARGEST = 10**12
"""Above it nothing is an amount that a customer paid, and no column holds it."""


def read_statements(content: bytes) -> tuple[Statement, ...]:
    """The statements of a file, with the entries that the bank has booked.

    DomainError `statement_too_large` (`maximum`, in bytes or entries), `statement_malformed` where
    it is no XML or a part of it cannot be read, `statement_not_camt` for another kind of XML.
    """
    if len(content) > MAXIMUM_BYTES:
        raise DomainError("statement_too_large", maximum=MAXIMUM_BYTES)
    try:
        parser = XMLParser(target=_BoundedBuilder(), forbid_dtd=True)
        parser.feed(content)
        root = parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise DomainError("statement_malformed") from error
    message = root if _name(root) == _MESSAGE else _child(root, _MESSAGE)
    if message is None:
        raise DomainError("statement_not_camt")
    try:
        numbering = _Numbering()
        statements = tuple(_statement(each, numbering) for each in _children(message, "Stmt"))
    except (DecimalException, ValueError, TypeError) as error:
        raise DomainError("statement_malformed") from error
    if not statements:
        raise DomainError("statement_malformed")
    if sum(len(each.entries) for each in statements) > MAXIMUM_ENTRIES:
        raise DomainError("statement_too_large", maximum=MAXIMUM_ENTRIES)
    return statements


class _BoundedBuilder(TreeBuilder):
    """Builds the tree as long as it is one of a statement's size."""

    def __init__(self) -> None:
        super().__init__()
        self._elements = self._depth = 0

    def start(self, tag: Any, attrs: Any, /) -> Element:
        self._elements += 1
        self._depth += 1
        if self._depth > _DEEPEST:
            raise DomainError("statement_malformed")
        if self._elements > _MOST_ELEMENTS:
            raise DomainError("statement_too_large", maximum=_MOST_ELEMENTS)
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


class _Numbering:
    """Counts what is alike in everything through a file: what the bank tells twice happened twice.

    A statement that the file holds twice is counted as it was the first time: it tells the same.
    """

    def __init__(self) -> None:
        self._counted: Counter[str] = Counter()
        self._own: Counter[str] = Counter()
        self._before: dict[tuple[object, str], int] = {}
        self._statement: object = None

    def begin(self, element: Element, iban: str) -> None:
        """What follows is of this statement: known by its id, of which one has several pages."""
        own_id, page = _text(element, "Id"), _text(element, "StmtPgntn", "PgNb")
        self._statement = (iban, own_id, page) if own_id else object()
        self._own.clear()

    def number(self, digest: str) -> int:
        """Which of those alike it is, from 1."""
        before = self._before.setdefault((self._statement, digest), self._counted[digest])
        self._own[digest] += 1
        number = before + self._own[digest]
        self._counted[digest] = max(self._counted[digest], number)
        return number


def _statement(element: Element, numbering: _Numbering) -> Statement:
    iban = _text(element, "Acct", "Id", "IBAN").replace(" ", "")
    if not iban:
        raise ValueError("a statement without an account")
    numbering.begin(element, iban)
    entries = [
        entry
        for booked in _children(element, "Ntry")
        if _status(booked) in ("BOOK", "")
        for entry in _entries(booked, iban, numbering)
    ]
    currency = _text(element, "Acct", "Ccy") or (entries[0].amount.currency if entries else "")
    number = _text(element, "LglSeqNb") or _text(element, "ElctrncSeqNb") or _text(element, "Id")
    return Statement(iban, number, currency, tuple(entries))


def _status(entry: Element) -> str:
    status = _child(entry, "Sts")
    if status is None:
        return ""
    return _text(status, "Cd") or (status.text or "").strip()


def _entries(booked: Element, iban: str, numbering: _Numbering) -> Iterator[StatementEntry]:
    """The transactions of a booking; a booking of one is one, and so is one whose list of several
    lacks an amount or does not come to the whole: no more is booked than arrived."""
    details = [each for part in _children(booked, "NtryDtls") for each in _children(part, "TxDtls")]
    valued_on = _date(booked, "ValDt")
    booked_on = _date(booked, "BookgDt") or valued_on
    if booked_on is None:
        raise ValueError("a booking without a day")
    days = (booked_on, valued_on)
    amount = _amount(_child(booked, "Amt"))
    reversal = _text(booked, "RvslInd") in ("true", "1")
    sign = _sign(booked)
    if len(details) > 1:
        amounts = [_amount_of_part(each, sign) for each in details]
        told = [own for own in amounts if own is not None and own.currency == amount.currency]
        whole = amount.minor * sign
        if len(told) == len(details) and sum(own.minor for own in told) == whole:
            for part, own in zip(details, told, strict=True):
                yield _entry(booked, part, iban, days, own, reversal, numbering)
            return
        details = []
    part = details[0] if details else booked
    yield _entry(booked, part, iban, days, amount * sign, reversal, numbering)


def _entry(
    booked: Element,
    part: Element,
    iban: str,
    days: tuple[date, date | None],
    amount: Money,
    reversal: bool,
    numbering: _Numbering,
) -> StatementEntry:
    booked_on, valued_on = days
    side = "Dbtr" if amount.minor >= 0 else "Cdtr"
    parties = _child(part, "RltdPties")
    name = payer_iban = ""
    if parties is not None:
        name = _text(parties, side, "Nm") or _text(parties, side, "Pty", "Nm")
        payer_iban = _text(parties, f"{side}Acct", "Id", "IBAN").replace(" ", "")
    reference, named, words = _remittance(booked, part)
    own = [_text(part, "Refs", "AcctSvcrRef"), _text(part, "Refs", "TxId")]
    bank_ids = [_text(booked, "AcctSvcrRef"), *own]
    # Without `named`: entries of imports that did not read it are known by the same key.
    facts = (iban, booked_on.isoformat(), str(amount.minor), amount.currency, payer_iban, name,
             reference, words, *bank_ids)  # fmt: skip
    digest = hashlib.sha256("\x1f".join(facts).encode()).hexdigest()[:40]
    return StatementEntry(
        key=f"{digest}:{numbering.number(digest)}",
        booked_on=booked_on,
        amount=amount,
        payer_name=name[:140],
        payer_iban=payer_iban[:34],
        reference=reference[:140],
        # First, as the end may be cut; with a sign over which no reference is read.
        text=", ".join(filter(None, (*named, words)))[:_LONGEST_TEXT],
        reversal=reversal,
        valued_on=valued_on,
    )


def _remittance(booked: Element, part: Element) -> tuple[str, list[str], str]:
    """What it is paid for: the structured reference, what is named beside it, and the words.

    Named are further references, where one payment is for several invoices, and their numbers.
    """
    references: list[str] = []
    numbers: list[str] = []
    words: list[str] = []
    remittance = _child(part, "RmtInf")
    if remittance is not None:
        for structured in _children(remittance, "Strd"):
            references.append(_text(structured, "CdtrRefInf", "Ref"))
            numbers += [_text(each, "Nb") for each in _children(structured, "RfrdDocInf")]
            words += [(each.text or "") for each in _children(structured, "AddtlRmtInf")]
        words += [(each.text or "") for each in _children(remittance, "Ustrd")]
    end_to_end = _text(part, "Refs", "EndToEndId")
    if end_to_end and end_to_end != "NOTPROVIDED":
        words.append(end_to_end)
    words += [_text(part, "AddtlTxInf"), _text(booked, "AddtlNtryInf")]
    told = list(dict.fromkeys(filter(None, references)))
    reference = told[0] if told else ""
    named = dict.fromkeys(" ".join(each.split()) for each in (*told[1:], *filter(None, numbers)))
    return reference, list(named), " ".join(" ".join(words).split())[:_LONGEST_TEXT]


def _sign(element: Element, otherwise: int | None = None) -> int:
    """1 where money came, -1 where it left; `otherwise` where the bank may leave it out."""
    told = _text(element, "CdtDbtInd")
    if not told and otherwise is not None:
        return otherwise
    if told not in _SIGNS:
        raise ValueError("neither money that came nor money that left")
    return _SIGNS[told]


def _amount_of_part(part: Element, sign: int) -> Money | None:
    """What a transaction moved, below zero where it left; None where the bank does not say."""
    found = _child(part, "Amt")
    if found is None:
        whole = _child(part, "AmtDtls")
        transaction = _child(whole, "TxAmt") if whole is not None else None
        found = _child(transaction, "Amt") if transaction is not None else None
    return _amount(found) * _sign(part, sign) if found is not None else None


def _amount(element: Element | None) -> Money:
    if element is None:
        raise ValueError("a booking without an amount")
    currency = element.get("Ccy") or ""
    value = Decimal((element.text or "").strip())
    minor = value.scaleb(minor_digits(currency))
    if not value.is_finite() or not 0 <= value < _LARGEST or minor != minor.to_integral_value():
        raise ValueError("not an amount of its currency")
    return Money(int(minor), currency)


def _date(element: Element, name: str) -> date | None:
    found = _child(element, name)
    if found is None:
        return None
    text = _text(found, "Dt") or _text(found, "DtTm")
    return date.fromisoformat(text[:10])


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _children(element: Element, name: str) -> list[Element]:
    return [each for each in element if _name(each) == name]


def _child(element: Element, name: str) -> Element | None:
    return next((each for each in element if _name(each) == name), None)


def _text(element: Element, *path: str) -> str:
    """The text at the end of a path of names, '' where there is none."""
    found: Element | None = element
    for name in path:
        found = _child(found, name) if found is not None else None
    return (found.text or "").strip() if found is not None else ""
