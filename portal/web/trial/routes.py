"""/trial: what is tried, how long it lasts, what happens at its end, and the way to buy."""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue

from portal.domain.permissions import Permission
from portal.queries.prices import get_price_book
from portal.queries.quotes import get_account_buying
from portal.queries.subscriptions import list_subscription_rows
from portal.web.access import requires
from portal.web.pages import respond
from portal.web.signed_in import account, parts, read_connection
from portal.web.trial.banner import trial_banner
from portal.web.trial.views import trial_cards

blueprint = Blueprint("trial", __name__)
blueprint.add_app_template_global(trial_banner)


@blueprint.get("/trial")
@requires(Permission.SEE_LICENCES)
def index() -> ResponseReturnValue:
    """The account's trials, the first to end on top."""
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    today = parts().clock.today(who.time_zone)
    cards = trial_cards(
        list_subscription_rows(connection, who.id, today),
        get_price_book(connection, who.currency),
        catalogue,
        today,
    )
    return respond(
        "trial/index.html",
        cards=sorted(cards, key=lambda card: (card.ends_on, card.id)),
        today=today,
        buying=get_account_buying(connection, who.id),
        vendor=catalogue.vendor,
    )
