"""What the pages of buying share: what is bought now, what waits for the renewal, who helps.

Each shows everything before anything is written, by the plan that then writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from flask import abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.catalogue import LocalizedText, Product
from portal.domain.changes import PlannedChange
from portal.domain.errors import DomainError, Rejected
from portal.domain.price_book import PriceBook
from portal.domain.pricing import PricedLine, decide_vendor_tax, document_totals
from portal.domain.purchases import plan_purchase
from portal.domain.quotes import PricedQuote, RenewalOutlook
from portal.domain.subscriptions import SubscriptionState
from portal.domain.tax import TaxDecision
from portal.domain.wishes import Wish
from portal.formats import format_day
from portal.languages import language
from portal.queries.prices import get_price_book
from portal.queries.quotes import (
    AccountBuying,
    Holding,
    get_account_overview,
    list_holdings,
)
from portal.queries.subscriptions import list_subscription_states
from portal.services.carts import save_cart
from portal.services.quoting import preview_quote, quote_cart
from portal.web.acting import acting_person
from portal.web.changes.views import ChangeLine
from portal.web.forms import PortalForm
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import account, parts, read_connection, signed_in, stop_reading
from portal.wording import goods_words

__all__ = ["BuyForm", "Market", "Page", "Preview", "account_tax", "ask_at_renewal", "buy_now",
           "explain_help", "preview_purchase", "read_market", "read_subscription",
           "replaced_ids", "replaced_quotes", "save_and_review"]  # fmt: skip

_LONGEST_ID = 18  # digits


class BuyForm(PortalForm):
    """What is bought; a page without a choice has no field."""


@dataclass(frozen=True, slots=True)
class Market:
    """What buying depends on, read once a page; `states` are those of the account on `today`."""

    states: Sequence[SubscriptionState]
    book: PriceBook
    buying: AccountBuying
    holdings: Sequence[Holding]
    today: date


@dataclass(frozen=True, slots=True)
class Page:
    """The words and ways of a page: `here` takes its form, `back` is where one came from.

    `replaced` are waiting changes in whose place this comes (C1). `button` says what a change at the
    renewal is, with the day. `details` are the template's own.
    """

    title: str
    text: str
    here: str
    back: str
    replaced: Sequence[ChangeLine] = ()
    button: Callable[[str], str] | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a purchase would cost today, and the renewals that it leads to, by product."""

    priced: PricedQuote
    lines: tuple[tuple[str, PricedLine], ...]
    outlook: tuple[tuple[str, RenewalOutlook], ...]


def read_market() -> Market:
    """Of the current account: three statements."""
    who, connection = account(), read_connection()
    today = parts().clock.today(who.time_zone)
    states = list_subscription_states(connection, who.id, today)
    book = get_price_book(connection, who.currency)
    return Market(states, book, *get_account_overview(connection, who.id), today)


def read_subscription(subscription_id: int) -> tuple[Market, SubscriptionState, Product]:
    """One of the current account's, with what buying depends on; 404 for any other."""
    market = read_market()
    for state in market.states:
        if state.subscription_id == subscription_id:
            return market, state, parts().catalogue.product(state.product_key)
    abort(404)


def account_tax(buying: AccountBuying) -> TaxDecision:
    """The VAT of what the account buys."""
    return decide_vendor_tax(
        parts().catalogue.vendor, buying.country, buying.vat_number, buying.vat_status
    )


def preview_purchase(wishes: Collection[Wish], market: Market) -> Preview:
    """The quote that saving the wishes would make; writes nothing. Errors as `plan_purchase`."""
    catalogue, locale, buying = parts().catalogue, speech().locale, market.buying
    lines = plan_purchase(
        wishes, market.states, market.book, catalogue, buying.payment_terms, market.today
    ).lines
    priced = preview_quote(lines, market.states, buying, catalogue, market.today)
    labels = [goods_words(language(locale), catalogue, line.sold or line.once) for line in lines]
    return Preview(
        priced=priced,
        lines=tuple(zip(labels, priced.lines, strict=True)),
        outlook=tuple(
            (catalogue.product(outlook.product_key).name.in_(locale), outlook)
            for outlook in priced.outlook
        ),
    )


def replaced_quotes(holdings: Iterable[Holding], subjects: Collection[str]) -> list[Holding]:
    """The quotes in whose place a new one on these subjects comes (Q1), one holding each."""
    return list({held.quote_id: held for held in holdings if held.subject in subjects}.values())


def replaced_ids() -> list[int]:
    """The quotes that the page said are replaced."""
    return [int(text) for text in request.form.getlist("replaces") if _is_id(text)]


def save_and_review(wishes: Collection[Wish]) -> str:
    """Save the cart and make its quote; the address of the review.

    It replaces the quotes that the page named. Errors as `quote_cart`.
    """
    who, person, now = account(), signed_in(), parts().clock.now()
    assert person is not None
    replaces = replaced_ids()
    stop_reading()
    with transaction() as session:
        cart = save_cart(session, who.id, person.person_id, wishes, now)
        quote = quote_cart(
            session,
            cart,
            catalogue=parts().catalogue,
            actor=acting_person(),
            replaces=replaces,
            now=now,
        )
        return url_for("quotes.review", quote_id=quote.id)


def buy_now(
    page: Page,
    market: Market,
    subjects: Collection[str],
    wishes: Callable[[], Collection[Wish]],
    form: PortalForm,
    template: str = "buying/now.html",
    fragment: str = "buying/_price.html",
) -> ResponseReturnValue:
    """Show what the wishes cost today and from the renewal on; save the cart and review.

    A POST with `action=preview` (the button without JavaScript, htmx while typing) writes nothing.
    `wishes` reads the form: Rejected or DomainError where it cannot be understood.
    """
    posted = request.method == "POST"
    saves = posted and request.form.get("action") != "preview"
    status, preview = 200, None
    if posted and not form.validate():
        status = 422
    else:
        try:
            wanted = wishes()
            preview = preview_purchase(wanted, market)
            if saves:
                return see_other(save_and_review(wanted))
        except DomainError as error:
            if isinstance(error, Rejected):
                form.problems(error)
            else:
                form.problem("", error_sentence(error))
            status = 422 if posted else 200
            if saves:
                market = replace(market, holdings=list_holdings(read_connection(), account().id))
    return respond(
        template,
        fragment,
        status,
        page=page,
        form=form,
        preview=preview,
        replaced=replaced_quotes(market.holdings, subjects),
        today=market.today,
        **page.details,
    )


def ask_at_renewal(
    page: Page,
    buying: AccountBuying,
    plan: Callable[[], PlannedChange],
    ask: Callable[[Session, str], object],
) -> ResponseReturnValue:
    """Show when a change takes effect and the invoice before and after; let it wait (S4).

    What is asked is what was shown: another date or amount in the meantime is shown again.
    """
    planned, problem = None, None
    try:
        planned = plan()
    except DomainError as error:
        problem = error_sentence(error)
    if request.method == "POST" and planned is not None:
        shown = request.form.get("shown", "")
        stop_reading()
        try:
            with transaction() as session:
                ask(session, shown)
        except DomainError as error:
            problem = error_sentence(error)
        else:
            day = format_day(planned.time.effective_on, speech().locale)
            flash(_("Your change takes effect on %(day)s. Until then all stays as it is, and you can undo it.", day=day), "good")  # fmt: skip
            return see_other(page.back)
    totals, button = None, ""
    if planned is not None:
        nets = (line.net for line in planned.after.lines)
        totals = document_totals(nets, account_tax(buying).rate, buying.currency)
        if page.button is not None:
            button = page.button(format_day(planned.time.effective_on, speech().locale))
    return respond(
        "buying/at_renewal.html",
        None,
        422 if request.method == "POST" else 200,
        page=page,
        planned=planned,
        before=planned.before.net(buying.currency) if planned is not None else None,
        after=totals,
        button=button,
        problem=problem,
        **page.details,
    )


def explain_help(
    title: str, label: str, blocked: str, reason: LocalizedText | None, buying: AccountBuying
) -> ResponseReturnValue:
    """Why this is not done here alone, and who helps; `blocked` as `why_not_alone` tells it."""
    return respond(
        "buying/help.html",
        None,
        422 if request.method == "POST" else 200,
        title=title,
        label=label,
        blocked=blocked,
        reason=reason,
        buying=buying,
        vendor=parts().catalogue.vendor,
    )


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID
