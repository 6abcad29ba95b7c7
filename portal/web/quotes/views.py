"""A quote as its page and the checkout show it: priced, named, with what it leads to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import abort

from portal.documents.invoice_document import InvoiceDocumentLine, tax_rows_of
from portal.documents.quote_pdf import QuoteDocument
from portal.domain.errors import DomainError
from portal.domain.labels import item_label
from portal.domain.order_lines import SUBSCRIPTION_KINDS, PinnedLine
from portal.domain.pricing import PricedLine
from portal.domain.quotes import PricedQuote, RenewalOutlook
from portal.domain.subscriptions import ChangeKind, ItemState, SubscriptionState
from portal.domain.tax import Totals
from portal.languages import Language, language
from portal.queries.invoiced_ahead import list_invoiced_ahead
from portal.queries.orders import get_order
from portal.queries.quotes import AccountBuying, QuoteRow, get_account_buying, get_quote
from portal.queries.subscriptions import list_subscription_states
from portal.services.quoting import preview_quote
from portal.services.snapshots import buyer_snapshot, seller_snapshot, tax_snapshot
from portal.web.changes.views import ChangeLine, change_line
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.orders.views import line_label
from portal.web.signed_in import account, parts, read_connection
from portal.wording import goods_words, line_words

__all__ = ["QuoteView", "quote_document", "read_quote", "read_quote_of"]


@dataclass(frozen=True, slots=True)
class QuoteView:
    """`priced` is None where a quote can no longer be priced; `labels` is by line.

    `status` is the quote's, or `outdated` where it is open and no longer fits the subscription;
    `problem` says why. `waiting` are the reductions of what it adds seats to, which stay (S3), each
    with the number that is added.
    """

    quote: QuoteRow
    buying: AccountBuying
    status: str
    today: date
    priced: PricedQuote | None
    labels: tuple[str, ...]
    outlook: tuple[tuple[str, RenewalOutlook], ...]
    problem: str | None = None
    waiting: tuple[tuple[ChangeLine, int], ...] = ()

    @property
    def named_lines(self) -> list[tuple[str, PricedLine]]:
        """The priced lines with their names; one of a coming period has that of its line (I3)."""
        lines = self.priced.lines if self.priced else ()
        return [(self.labels[(line.of_line or line.position) - 1], line) for line in lines]

    @property
    def of_subscriptions(self) -> bool:
        """Whether it is about licences, not only about what is paid once."""
        return any(line.kind in SUBSCRIPTION_KINDS for line in self.quote.lines)

    def sells(self, kind: str) -> bool:
        """Whether one of its lines is of a kind: credits, service."""
        return any(line.kind == kind for line in self.quote.lines)

    @property
    def is_open(self) -> bool:
        """Whether it can still be ordered today."""
        return self.status == "open"


def read_quote(quote_id: int) -> QuoteView:
    """The quote of the current account, priced as of today while it is open; 404 if there is none."""
    return read_quote_of(account().id, quote_id)


def read_quote_of(
    account_id: int,
    quote_id: int,
    *,
    locale: str | None = None,
    buying: AccountBuying | None = None,
) -> QuoteView:
    """The quote of an account, named in `locale` or in the reader's language; 404 if there is none.

    `buying` are the account's facts, where they were read already.
    """
    connection, catalogue = read_connection(), parts().catalogue
    locale = locale or speech().locale
    quote = get_quote(connection, account_id, quote_id)
    if quote is None:
        abort(404)
    buying = buying or get_account_buying(connection, account_id)
    today = parts().clock.today(buying.time_zone)
    states = list_subscription_states(connection, account_id, today)
    # Only what is paid by transfer is invoiced ahead (I3).
    by_transfer = buying.payment_terms == "bank_transfer" and quote.order_id is None
    ahead = list_invoiced_ahead(connection, account_id) if by_transfer else {}
    status = quote.status
    if status == "open" and today > quote.valid_until:
        status = "expired"
    problem = None
    try:
        on = today if status == "open" else quote.created_on
        # What was ordered stands on the order, as it was charged; here only what was pinned.
        priced = (
            None
            if quote.order_id is not None
            else preview_quote(quote.lines, states, buying, catalogue, on, ahead)
        )
    except DomainError as error:
        # Closed, and its period is over; or open, and what it would change is another by now.
        priced = None
        if status == "open":
            status, problem = "outdated", error_sentence(error)
    where: dict[int | None, tuple[SubscriptionState, ItemState]] = {
        item.item_id: (state, item) for state in states for item in state.items
    }
    labels = tuple(_label(line, where, locale) for line in quote.lines)
    return QuoteView(
        quote=quote,
        buying=buying,
        status=status,
        today=today,
        priced=priced,
        labels=labels,
        outlook=_outlook(priced),
        problem=problem,
        waiting=_waiting(quote.lines, where),
    )


def quote_document(view: QuoteView) -> QuoteDocument:
    """What the PDF of a quote is made from; 404 where it fits its subscription no more.

    One that has become an order is as it was ordered.
    """
    quote, vendor, words = view.quote, parts().catalogue.vendor, language(view.buying.locale)
    if quote.order_id is not None:
        totals, tax, lines, on = _ordered(view, quote.order_id, words)
    elif view.priced is not None:
        totals, tax = view.priced.totals, tax_snapshot(view.priced.tax, view.priced.totals)
        lines = tuple(_document_line(words, x, line, view.priced) for x, line in view.named_lines)
        on = view.today if view.is_open else quote.created_on
    else:
        abort(404)
    return QuoteDocument(
        number=quote.number,
        created_on=quote.created_on,
        created_by=quote.created_by,
        valid_until=quote.valid_until,
        priced_on=on,
        is_open=view.is_open,
        is_ordered=quote.order_id is not None,
        message=quote.message,
        locale=view.buying.locale,
        seller=seller_snapshot(vendor),
        buyer=buyer_snapshot(view.buying),
        lines=lines,
        totals=totals,
        treatment=tax["treatment"],
        tax_rows=tax_rows_of(tax),
    )


def _ordered(
    view: QuoteView, order_id: int, words: Language
) -> tuple[Totals, dict[str, Any], tuple[InvoiceDocumentLine, ...], date]:
    found = get_order(read_connection(), view.buying.account_id, order_id)
    assert found is not None, "a quote's order is of its account"
    order, rows = found
    catalogue, rate = parts().catalogue, str(order.tax_details["rate"])
    lines = tuple(
        InvoiceDocumentLine(
            position=position,
            kind=row.kind,
            description=line_words(words, row.kind, line_label(row, catalogue, words.locale)),
            quantity=row.quantity,
            unit_minor=row.unit_price.minor,
            discount_basis_points=row.discount_basis_points,
            days_left=row.days_left,
            days=row.days,
            period_starts_on=None,
            period_ends_on=None,
            net_minor=row.net.minor,
            tax_rate=rate,
            discount_minor=row.discount.minor,
        )
        for position, row in enumerate(rows, start=1)
    )
    totals = Totals(order.net, (), order.tax, order.gross)
    return totals, order.tax_details, lines, order.placed_on


def _document_line(
    words: Language, label: str, line: PricedLine, priced: PricedQuote
) -> InvoiceDocumentLine:
    return InvoiceDocumentLine(
        position=line.position,
        kind=line.kind,
        description=line_words(words, line.kind, label),
        quantity=line.quantity,
        unit_minor=line.unit_price.minor,
        discount_basis_points=line.discount_basis_points,
        days_left=line.days_left,
        days=line.days,
        period_starts_on=line.period.start if line.period else None,
        period_ends_on=line.period.end if line.period else None,
        net_minor=line.net.minor,
        tax_rate=str(priced.tax.rate),
        discount_minor=line.discount_minor,
    )


def _label(
    line: PinnedLine, where: Mapping[int | None, tuple[SubscriptionState, ItemState]], locale: str
) -> str:
    """What a line sells; one of the vendor's staff may name no more than the item."""
    catalogue = parts().catalogue
    if line.sold is not None or line.once is not None:
        return goods_words(language(locale), catalogue, line.sold or line.once)
    if line.item_id in where:
        state, item = where[line.item_id]
        return item_label(catalogue, state.product_key, item, locale)
    return ""


def _waiting(
    lines: Iterable[PinnedLine], where: Mapping[int | None, tuple[SubscriptionState, ItemState]]
) -> tuple[tuple[ChangeLine, int], ...]:
    catalogue, locale = parts().catalogue, speech().locale
    return tuple(
        (change_line(where[line.item_id][0], change, catalogue, locale), line.quantity)
        for line in lines
        if line.kind == "seats" and line.item_id in where
        for change in where[line.item_id][0].changes_of(ChangeKind.SEATS, line.item_id)
    )


def _outlook(priced: PricedQuote | None) -> tuple[tuple[str, RenewalOutlook], ...]:
    if priced is None:
        return ()
    catalogue, locale = parts().catalogue, speech().locale
    return tuple((catalogue.product(o.product_key).name.in_(locale), o) for o in priced.outlook)
