"""The account's data, for whoever looks after it; a former customer's admin included."""

from __future__ import annotations

from flask import Blueprint, send_file
from flask.typing import ResponseReturnValue

from portal.db import snapshot
from portal.domain.permissions import Permission
from portal.queries.ended import get_account_overview_with_ended
from portal.queries.invoices import list_invoice_years
from portal.queries.quotes import get_account_buying
from portal.queries.subscriptions import list_subscription_rows
from portal.web.access import requires
from portal.web.data_export.archive import pack_data
from portal.web.data_export.words import CONTENTS
from portal.web.locale import speech
from portal.web.pages import respond
from portal.web.signed_in import account, parts, read_connection, stop_reading

blueprint = Blueprint("data_export", __name__)


@blueprint.get("/data-export")
@requires(Permission.SEE_MONEY)
def page() -> ResponseReturnValue:
    """What is in the file, the PDFs by year, and where each product has its own export."""
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    today = parts().clock.today(who.time_zone)
    rows = list_subscription_rows(connection, who.id, today)
    _buying, _holdings, ended = get_account_overview_with_ended(connection, who.id)
    keys = dict.fromkeys([row.state.product_key for row in rows] + [e.product_key for e in ended])
    running = {row.state.product_key for row in rows}
    known = {product.key: product for product in catalogue.products}
    return respond(
        "data_export/index.html",
        contents=CONTENTS,
        years=list_invoice_years(connection, who.id),
        products=[
            (known[key].name.in_(speech().locale), known[key].data_export_url, key in running)
            for key in keys
            if key in known
        ],
    )


@blueprint.get("/data-export.zip")
@requires(Permission.SEE_MONEY)
def archive() -> ResponseReturnValue:
    """Everything of the account as CSV and JSON, with a manifest."""
    who, catalogue, now = account(), parts().catalogue, parts().clock.now()
    stop_reading()  # one moment for all files, and no longer than it takes to write them
    with snapshot() as connection:
        buying = get_account_buying(connection, who.id)
        file = pack_data(connection, buying, who.name, catalogue.vendor.brand, now)
    return send_file(
        file,
        mimetype="application/zip",
        as_attachment=True,
        download_name=f"{catalogue.vendor.brand.lower()}-{now:%Y-%m-%d}.zip",
    )
