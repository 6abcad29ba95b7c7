"""The entries of a statement with what is proposed for each, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask_babel import gettext as _

from portal import formats
from portal.domain.bank_statements import Match, MatchKind, plan_matching
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.payment_references import Slip, SlipKind
from portal.domain.transfers import TransferPlan, plan_transfer
from portal.queries.bank_statements import EntryRow
from portal.queries.transfers_to_match import Candidate
from portal.web.locale import speech

__all__ = ["EntryView", "Option", "SlipView", "balance_option", "entry_views", "option_for"]


@dataclass(frozen=True, slots=True)
class Option:
    """What an entry can be booked as: `value` is what the form sends.

    `effect` is what it does, which one decides by; `whose` the invoice and the customer.
    """

    value: str
    effect: str
    whose: str
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class SlipView:
    """A mistyped reference and the right one, each before, in and behind where they differ."""

    sentence: str
    typed: tuple[str, str, str]
    meant: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry with its proposal; `kind` is a MatchKind, or the entry's status once it is decided."""

    row: EntryRow
    kind: str
    sentence: str
    options: tuple[Option, ...]
    slips: tuple[SlipView, ...] = ()


def entry_views(rows: Sequence[EntryRow], candidates: Sequence[Candidate]) -> list[EntryView]:
    """Each entry in its order; only one whose reference and amount fit is chosen beforehand."""
    waiting = [row for row in rows if row.status == "waiting"]
    known = {found.invoice.invoice_id: found for found in candidates}
    matches = plan_matching([row.entry for row in waiting], [found.invoice for found in candidates])
    proposals = dict(zip((row.id for row in waiting), matches, strict=True))
    left = {key: found.invoice.open for key, found in known.items()}
    return [
        _proposed(row, proposals[row.id], known, left)
        if row.id in proposals
        else EntryView(row, row.status, "", ())
        for row in rows
    ]


def option_for(
    found: Candidate, still_open: Money, row: EntryRow, *, chosen: bool
) -> Option | None:
    """Booking the entry for an invoice, with what it would do; None where it cannot be."""
    invoice, entry = found.invoice, row.entry
    try:
        plan = plan_transfer(invoice.status, invoice.number, still_open, entry.amount,
                             entry.received_on, entry.received_on)  # fmt: skip
    except DomainError:
        return None
    return Option(
        f"invoice:{found.account_id}:{invoice.number}:{plan.key}",
        _effect(plan),
        f"{invoice.number}, {found.account_name}",
        chosen,
    )


def balance_option(account_id: int, customer: str, *, chosen: bool = False) -> Option:
    """Keeping the money of the entry for the customer, where it pays no invoice."""
    return Option(f"account:{account_id}", _("Goes on the balance"), customer, chosen)


def _proposed(
    row: EntryRow, match: Match, known: Mapping[int, Candidate], left: dict[int, Money]
) -> EntryView:
    named = known[match.invoice_id] if match.invoice_id is not None else None
    options: list[Option | None] = []
    payable = row.entry.amount.minor > 0
    for found in [named] if named and payable else [known[key] for key in match.suggestions]:
        key = found.invoice.invoice_id
        options.append(option_for(found, left[key], row, chosen=match.is_certain))
    if named is not None:
        key = named.invoice.invoice_id
        sentence = _sentence(match, named, left[key])
        # Several entries of one statement may pay one invoice: each is shown after the one before.
        if match.kind in (MatchKind.EXACT, MatchKind.PARTIAL, MatchKind.TOO_MUCH):
            left[key] -= min(left[key], row.entry.amount)
        if row.entry.amount.currency == named.invoice.open.currency and (
            match.kind in (MatchKind.PAID, MatchKind.VOID)
        ):
            options.append(balance_option(named.account_id, named.account_name))
    else:
        sentence = _sentence(match, None, row.entry.amount)
        if match.suggestions and not any(options):
            first = known[match.suggestions[0]]
            options.append(balance_option(first.account_id, first.account_name))
            sentence = _(
                "It resembles invoice %(number)s, for which nothing is to be paid any more.",
                number=first.invoice.number,
            )
    slips = tuple(_slip(slip, known[key].invoice.number) for key, slip in match.slips.items())
    return EntryView(row, match.kind.value, sentence, tuple(filter(None, options)), slips)


def _slip(slip: Slip, number: str) -> SlipView:
    typed, meant = (
        (whole[: slip.place - 1], part, whole[slip.place - 1 + len(part) :])
        for whole, part in ((slip.typed, slip.written), (slip.meant, slip.right))
    )
    place, written, right = str(slip.place), slip.written, slip.right
    match slip.kind:
        case SlipKind.WRONG:
            sentence = _(
                "Character %(place)s of the reference is %(written)s; on invoice %(number)s it is %(right)s.",
                place=place, written=written, number=number, right=right,
            )  # fmt: skip
        case SlipKind.SWAPPED:
            sentence = _(
                "Characters %(place)s and %(next)s of the reference are swapped: on invoice %(number)s they are %(right)s.",
                place=place, next=str(slip.place + 1), number=number, right=right,
            )  # fmt: skip
        case SlipKind.ADDED:
            sentence = _(
                "Character %(place)s of the reference, %(written)s, is one too many for invoice %(number)s.",
                place=place, written=written, number=number,
            )  # fmt: skip
        case _:
            sentence = _(
                "Character %(place)s of the reference is missing: on invoice %(number)s it is %(right)s.",
                place=place, number=number, right=right,
            )  # fmt: skip
    return SlipView(sentence, typed, meant)


def _sentence(match: Match, named: Candidate | None, still_open: Money) -> str:
    number = named.invoice.number if named is not None else ""
    match match.kind:
        case MatchKind.EXACT:
            return _("Reference and amount fit invoice %(number)s.", number=number)
        case MatchKind.PARTIAL:
            return _(
                "The reference is that of invoice %(number)s, of which %(open)s is open: this is a part of it.",
                number=number, open=_money(still_open),
            )  # fmt: skip
        case MatchKind.TOO_MUCH:
            return _(
                "The reference is that of invoice %(number)s, of which only %(open)s is open.",
                number=number, open=_money(still_open),
            )  # fmt: skip
        case MatchKind.RETURNED:
            return _returned(match, number)
        case MatchKind.REPEATED:
            return _typed(match, number)
        case MatchKind.PAID:
            paid = _("Invoice %(number)s is paid already.", number=number)
            return f"{paid} {_typed(match, number)}".strip()
        case MatchKind.VOID:
            return _(
                "Invoice %(number)s was credited or closed: nothing is to be paid.", number=number
            )
        case MatchKind.OTHER_CURRENCY:
            return _(
                "Invoice %(number)s is in another currency, so this cannot pay it.", number=number
            )
        case MatchKind.SUGGESTED if match.names_several:
            return _("Its references name several invoices: compare before you choose.")
        case MatchKind.SUGGESTED:
            return _("No reference fits. It may be for one of these: compare before you choose.")
    return _("No invoice fits.")


def _returned(match: Match, number: str) -> str:
    if match.entry.amount.minor > 0:
        return _("A transfer that had left came back. Find the customer whose money it is.")
    if number:
        return _(
            "The bank took a transfer for invoice %(number)s back. If it was booked, take the booking back; then set the entry aside.",
            number=number,
        )
    return _(
        "The bank took a transfer back. If it was booked, take the booking back; then set the entry aside."
    )


def _typed(match: Match, number: str) -> str:
    """That the money was probably booked by hand before its entry came; '' where it was not."""
    if match.typed_on is None:
        return ""
    return _(
        "A transfer of the same amount that arrived on %(day)s was booked by hand for invoice %(number)s. If this is the same transfer, set the entry aside.",
        day=formats.format_day(match.typed_on, speech().locale), number=number,
    )  # fmt: skip


def _effect(plan: TransferPlan) -> str:
    if plan.settles and plan.to_balance.is_zero:
        return _("Paid in full")
    if plan.settles:
        return _("Paid, %(amount)s too much", amount=_money(plan.to_balance))
    return _("%(amount)s stays open", amount=_money(plan.left))


def _money(amount: Money) -> str:
    return formats.format_money(amount, speech().locale)
