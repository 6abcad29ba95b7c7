"""/desk/accounts: finding a customer, and everything the customer sees."""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from portal.domain.account_words import typed_words
from portal.domain.permissions import StaffPermission
from portal.domain.trials import is_unpaid_trial
from portal.queries.account_notes import list_notes
from portal.queries.account_search import (
    FoundAccount,
    FoundNumber,
    find_by_number,
    list_accounts,
    search_accounts,
)
from portal.queries.billing import list_invoiced_ahead
from portal.queries.card_holders import CardHolders
from portal.queries.licences_overview import get_licences_overview
from portal.queries.subscriptions import list_subscription_rows
from portal.web.access import requires
from portal.web.billing.views import coming_view
from portal.web.desk.accounts import changes, notes, records
from portal.web.desk.paging import LIST_PAGE, after_text, cut
from portal.web.desk.serving import desk_account, served_by
from portal.web.licences.ended import ended_cards
from portal.web.licences.views import cards
from portal.web.locale import speech
from portal.web.pages import respond
from portal.web.signed_in import parts, read_connection

__all__ = ["blueprint"]

blueprint = Blueprint("desk_accounts", __name__, url_prefix="/desk/accounts")
records.add_to(blueprint)
notes.add_to(blueprint)
changes.add_to(blueprint)

_LONGEST_SEARCH = 200
_LATEST_NOTES = 3


@blueprint.get("")
@requires(StaffPermission.SERVE)
def index() -> ResponseReturnValue:
    """The customers by name; or those with a word, an e-mail address or a number that is typed."""
    typed = " ".join(request.args.get("q", "").split())[:_LONGEST_SEARCH]
    behind, mine, connection = after_text(), served_by(), read_connection()
    words = typed_words(typed)
    numbers: list[FoundNumber] = []
    rows: list[FoundAccount] = []
    if not typed:
        rows = list_accounts(connection, mine, behind=behind, limit=LIST_PAGE + 1)
    else:
        if behind is None:
            numbers = find_by_number(connection, typed, mine)
        if words:
            rows = search_accounts(connection, words, mine, behind=behind, limit=LIST_PAGE + 1)
    shown, following = cut(rows, lambda row: f"{row.word or row.name}~{row.id}")
    return respond(
        "desk/accounts/index.html",
        "desk/accounts/_list.html",
        typed=typed,
        numbers=numbers,
        rows=shown,
        following=following,
        is_first=behind is None,
        is_everyone=mine is None,
    )


@blueprint.get("/<int:account_id>")
@requires(StaffPermission.SERVE)
def show(account_id: int) -> ResponseReturnValue:
    """What the customer has, will pay and when; who serves it, and the latest notes."""
    account = desk_account(account_id)
    connection, catalogue, locale = read_connection(), parts().catalogue, speech().locale
    today = parts().clock.today(account.time_zone)
    rows = list_subscription_rows(connection, account_id, today)
    states = [row.state for row in rows]
    overview = get_licences_overview(connection, account_id)
    ahead = list_invoiced_ahead(connection, account_id) if account.by_transfer else []
    return respond(
        "desk/accounts/show.html",
        account=account,
        cards=cards(rows, CardHolders({}, {}), catalogue, account.buying.payment_terms, locale),
        trials={state.subscription_id: state.product_key
                for state in states if is_unpaid_trial(state)},
        ended=ended_cards(overview.ended, catalogue, locale),
        method=overview.method,
        coming=coming_view(states, ahead, account.buying, catalogue, locale, account.balance),
        notes=list_notes(connection, account_id, limit=_LATEST_NOTES),
        today=today,
    )  # fmt: skip
