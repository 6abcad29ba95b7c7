"""The entries of a statement with what is proposed for each, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask_babel import gettext as _

from portal import formats
from portal.domain.bank_statements import Match, MatchKind, plan_matching
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.transfers import TransferPlan, plan_transfer
from portal.queries.bank_statements import EntryRow
from portal.queries.transfers_to_match import Candidate
from portal.web.locale import speech

__all__ = ["EntryView", "Option", "entry_views", "option_for"]


@dataclass(frozen=True, slots=True)
class Option:
    """What an entry can be booked as: `value` is what the form sends."""

    value: str
    label: str
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry with its proposal; `kind` is a MatchKind, or the entry's status once it is decided."""

    row: EntryRow
    kind: str
    sentence: str
    options: tuple[Option, ...]
    candidate: Candidate | None = None


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
                             entry.booked_on, entry.booked_on)  # fmt: skip
    except DomainError:
        return None
    return Option(
        f"invoice:{found.account_id}:{invoice.number}:{plan.key}",
        _effect(plan, invoice.number, found.account_name),
        chosen,
    )


def _proposed(
    row: EntryRow, match: Match, known: Mapping[int, Candidate], left: dict[int, Money]
) -> EntryView:
    named = known[match.invoice_id] if match.invoice_id is not None else None
    options: list[Option | None] = []
    for found in [named] if named else [known[key] for key in match.suggestions]:
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
            options.append(
                Option(
                    f"account:{named.account_id}",
                    _("Balance of %(customer)s", customer=named.account_name),
                )
            )
    else:
        sentence = _sentence(match, None, row.entry.amount)
        if match.suggestions and not any(options):
            sentence = _(
                "It resembles invoice %(number)s, for which nothing is to be paid any more.",
                number=known[match.suggestions[0]].invoice.number,
            )
    return EntryView(row, match.kind.value, sentence, tuple(filter(None, options)), named)


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
        case MatchKind.PAID:
            return _("Invoice %(number)s is paid already.", number=number)
        case MatchKind.VOID:
            return _(
                "Invoice %(number)s was credited or closed: nothing is to be paid.", number=number
            )
        case MatchKind.OTHER_CURRENCY:
            return _(
                "Invoice %(number)s is in another currency, so this cannot pay it.", number=number
            )
        case MatchKind.SUGGESTED:
            return _("No reference fits. It may be for one of these: compare before you choose.")
    return _("No invoice fits.")


def _effect(plan: TransferPlan, number: str, customer: str) -> str:
    if plan.settles and plan.to_balance.is_zero:
        return _("%(number)s, %(customer)s: paid in full", number=number, customer=customer)
    if plan.settles:
        return _(
            "%(number)s, %(customer)s: paid, %(amount)s too much",
            number=number, customer=customer, amount=_money(plan.to_balance),
        )  # fmt: skip
    return _(
        "%(number)s, %(customer)s: %(amount)s stays open",
        number=number, customer=customer, amount=_money(plan.left),
    )  # fmt: skip


def _money(amount: Money) -> str:
    return formats.format_money(amount, speech().locale)
