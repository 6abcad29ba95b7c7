"""The licences page, the people behind a licence, and adding seats."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue

from portal.domain.errors import DomainError, Rejected
from portal.domain.labels import item_label
from portal.domain.money import Money
from portal.domain.permissions import Permission
from portal.domain.pricing import decide_vendor_tax, document_totals
from portal.domain.quotes import subject_of_subscription
from portal.domain.renewals import plan_next_invoice
from portal.domain.seats import SeatIncrease, may_change_seats, plan_seat_increase
from portal.domain.subscriptions import SubscriptionState
from portal.domain.tax import Totals
from portal.domain.wishes import Seats
from portal.formats import format_percentage
from portal.queries.card_holders import list_card_holders
from portal.queries.last_days import list_last_day_names
from portal.queries.licences_overview import get_licences_overview
from portal.queries.quotes import (
    AccountBuying,
    Holding,
    get_account_overview,
    get_cart_totals,
    list_holdings,
)
from portal.queries.subscriptions import (
    SubscriptionRow,
    list_item_holders,
    list_subscription_rows,
)
from portal.web.access import requires
from portal.web.buying import save_and_review
from portal.web.licences.ended import ended_cards
from portal.web.licences.forms import seats_form
from portal.web.licences.losses import losers_to_read
from portal.web.licences.views import SeatField, cards, seat_changes, seat_fields, why_not
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.payment_method.expiring import expiring_card
from portal.web.signed_in import account, parts, read_connection, signed_in

blueprint = Blueprint("licences", __name__, url_prefix="/licences")

HOLDERS_ON_CARD = 8
HOLDERS_ON_PAGE = 50


@blueprint.get("")
@requires(Permission.SEE_LICENCES)
def index() -> ResponseReturnValue:
    """What the company has, who uses it, what it pays next and when."""
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    today = parts().clock.today(who.time_zone)
    rows = list_subscription_rows(connection, who.id, today)
    needed, chosen = losers_to_read(row.state for row in rows)
    holders = list_card_holders(
        connection, who.id, first=HOLDERS_ON_CARD, last=needed, chosen=chosen
    )
    overview = get_licences_overview(connection, who.id)
    buying, holdings = overview.buying, overview.holdings
    decision = decide_vendor_tax(
        catalogue.vendor, buying.country, buying.vat_number, buying.vat_status
    )
    next_invoice = plan_next_invoice((row.state for row in rows), decision, who.currency)
    return respond(
        "licences/index.html",
        cards=cards(rows, holders, catalogue, who.payment_terms, speech().locale),
        expiring=expiring_card(overview.method, (row.state for row in rows), buying.payment_terms),
        last_day=list_last_day_names(connection, who.id, today)
        if any(_is_last_day(row.state, today) for row in rows)
        else {},
        ended=ended_cards(overview.ended, catalogue, speech().locale),
        next_invoice=next_invoice,
        buying=buying,
        holdings=_by_quote(tuple(h for h in holdings if h.waits_on(today))),
        catalogue=catalogue,
        today=today,
        changes_in_invoice=next_invoice is not None
        and any(c.effective_on <= next_invoice.on for row in rows for c in row.state.changes),
    )


def _is_last_day(state: SubscriptionState, today: date) -> bool:
    """Whether more people have a licence than there are, until this day ends (S6)."""
    renewed = state.period is not None and state.period.start == today
    return renewed and any(i.per_seat and i.assigned > i.quantity for i in state.items)


@blueprint.get("/<int:subscription_id>")
@requires(Permission.SEE_LICENCES)
def people(subscription_id: int) -> ResponseReturnValue:
    """Everyone who has a licence of one item of the subscription, page by page."""
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    row = _row(subscription_id)
    wanted = request.args.get("item", type=int)
    item = row.state.item(wanted) if wanted is not None else row.state.plan_item
    if item is None or not item.per_seat:
        abort(404)
    page = _page()
    holders = list_item_holders(
        connection, who.id, item.item_id, limit=HOLDERS_ON_PAGE, offset=(page - 1) * HOLDERS_ON_PAGE
    )
    if page > 1 and not holders:
        abort(404)
    locale = speech().locale
    return respond(
        "licences/people.html",
        subscription_id=subscription_id,
        label=item_label(catalogue, row.state.product_key, item, locale),
        items=[
            (other, item_label(catalogue, row.state.product_key, other, locale))
            for other in row.state.items
            if other.per_seat
        ],
        item=item,
        holders=holders,
        page=page,
        pages=max(-(-item.assigned // HOLDERS_ON_PAGE), 1),
    )


@blueprint.route("/<int:subscription_id>/add", methods=["GET", "POST"])
@requires(Permission.BUY)
def add(subscription_id: int) -> ResponseReturnValue:
    """Enter new totals; see what is due now and from the renewal on; save the cart and review.

    A POST with `action=preview` (the button without JavaScript, htmx while typing) writes nothing.
    """
    who, person = account(), signed_in()
    assert person is not None
    connection, catalogue = read_connection(), parts().catalogue
    today = parts().clock.today(who.time_zone)
    rows = list_subscription_rows(connection, who.id, today)
    row = next((r for r in rows if r.state.subscription_id == subscription_id), None)
    if row is None:
        abort(404)
    buying, holdings = get_account_overview(connection, who.id)
    fields = seat_fields(
        [r.state for r in rows], subscription_id, catalogue, who.payment_terms, speech().locale
    )
    blocked = may_change_seats(row.state, row.state.plan_item, catalogue, who.payment_terms)
    if blocked is not None or not fields:
        return _explain(row, blocked or "not_per_seat", buying)

    form = seats_form(fields, get_cart_totals(connection, who.id, person.person_id))
    shown = {subject_of_subscription(field.subscription_id) for field in fields}
    replaced = _by_quote(tuple(h for h in holdings if h.subject in shown))
    status = 200
    increases: tuple[SeatIncrease, ...] = ()
    is_preview = request.method == "GET" or request.form.get("action") == "preview"
    if request.method == "POST" and not form.validate():
        status = 422
    else:
        try:
            increases = plan_seat_increase((r.state for r in rows), form.totals(fields), today)
        except Rejected as rejected:
            # Somebody who has only just come has not made a mistake yet.
            if not (is_preview and all(p.code == "nothing_added" for p in rejected.problems)):
                form.problems(rejected)
                status = 422 if request.method == "POST" else 200
    if increases and not is_preview:
        try:
            wishes = [Seats(item, total) for item, total in form.totals(fields).items()]
            return see_other(save_and_review(wishes))
        except DomainError as error:
            if isinstance(error, Rejected):
                form.problems(error)
            else:
                form.problem("", error_sentence(error))
            status = 422
            replaced = _by_quote(
                tuple(h for h in list_holdings(read_connection(), who.id) if h.subject in shown)
            )
    return respond(
        "licences/add.html",
        "licences/_price.html",
        status,
        subscription_id=subscription_id,
        form=form,
        fields=fields,
        increases=_labelled(increases, fields),
        period=row.state.period,
        totals=_totals(increases, buying),
        today=today,
        replaced=replaced,
        buying=buying,
        waits=seat_changes([r.state for r in rows], catalogue, speech().locale),
    )


def _explain(row: SubscriptionRow, blocked: str, buying: AccountBuying) -> ResponseReturnValue:
    plan = row.state.plan_item
    catalogue = parts().catalogue
    return respond(
        "licences/not_self_service.html",
        None,
        422 if request.method == "POST" else 200,
        label=item_label(catalogue, row.state.product_key, plan, speech().locale),
        blocked=blocked,
        reason=why_not(row.state, plan, catalogue),
        buying=buying,
        vendor=catalogue.vendor,
    )


def _labelled(
    increases: tuple[SeatIncrease, ...], fields: list[SeatField]
) -> list[tuple[str, SeatIncrease]]:
    labels = {field.item.item_id: field.label for field in fields}
    return [(labels[increase.item.item_id], increase) for increase in increases]


def _totals(increases: tuple[SeatIncrease, ...], buying: AccountBuying) -> Totals | None:
    if not increases:
        return None
    decision = decide_vendor_tax(
        parts().catalogue.vendor, buying.country, buying.vat_number, buying.vat_status
    )
    nets: list[Money] = [increase.line.net for increase in increases]
    return document_totals(nets, decision.rate, buying.currency)


def _by_quote(holdings: tuple[Holding, ...]) -> list[Holding]:
    """One holding a quote, for the banners."""
    return list({held.quote_id: held for held in holdings}.values())


def _row(subscription_id: int) -> SubscriptionRow:
    for row in list_subscription_rows(read_connection(), account().id):
        if row.state.subscription_id == subscription_id:
            return row
    abort(404)


def _page() -> int:
    page = request.args.get("page", 1, type=int)
    if not 1 <= page <= 10_000:
        abort(404)
    return page


@blueprint.app_template_filter("basis_points")
def basis_points(discount: int) -> str:
    """1250 is 12.5 % in the person's language."""
    return format_percentage(Decimal(discount) / 100, speech().locale)
