"""/wallet: the balance, what credits buy, packs, automatic top-up, use by month, the last entries."""

from __future__ import annotations

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.credit_use import in_months, last_months, month_begins, weeks_left
from portal.domain.errors import DomainError, Rejected
from portal.domain.periods import local_date
from portal.domain.permissions import Permission, is_allowed
from portal.domain.wallet import first_of_month, low_below
from portal.formats import format_money
from portal.queries.prices import get_price_book
from portal.queries.wallet import (
    MONTHS_SHOWN,
    EntryFilter,
    WalletRow,
    get_wallet,
    list_entries,
    list_use,
)
from portal.services.auto_top_up import set_auto_top_up, stop_auto_top_up
from portal.web.access import requires, stays_open
from portal.web.acting import acting_person
from portal.web.amounts import typed_amount
from portal.web.buying import account_tax
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.orders.declines import decline_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import account, parts, read_connection, signed_in, stop_reading
from portal.web.wallet import buying, history
from portal.web.wallet.chart import draw_chart
from portal.web.wallet.forms import TopUpForm
from portal.web.wallet.views import (
    PackView,
    can_be_charged,
    entry_views,
    kinds_used,
    pack_views,
    top_up_card,
    usage_name,
    usage_views,
)

__all__ = ["blueprint"]

blueprint = Blueprint("wallet", __name__, url_prefix="/wallet")
buying.add_to(blueprint)
history.add_to(blueprint)

_LATEST = 6


@blueprint.get("")
@requires(Permission.SEE_WALLET)
def index() -> ResponseReturnValue:
    """What there is and how long it lasts; who may buy also sees what more of it costs."""
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    now, today = parts().clock.now(), parts().clock.today(who.time_zone)
    terms, wallet = get_wallet(connection, who.id, first_of_month(today))
    months = last_months(today, MONTHS_SHOWN)
    begins = [month_begins(first_day, who.time_zone) for first_day in months]
    used = list_use(connection, wallet.id, begins) if wallet.id is not None else []
    use = in_months(months, used)
    first_entry = wallet.first_entry_at
    since = local_date(first_entry, who.time_zone) if first_entry is not None else None
    kinds = kinds_used(use, catalogue)
    may_buy = _may_buy()
    packs: list[PackView] = []
    if may_buy:
        prices = get_price_book(connection, who.currency).packs
        packs = pack_views(catalogue, prices, account_tax(terms))
    entries = list_entries(connection, who.id, EntryFilter(), limit=_LATEST, offset=0)
    return respond(
        "wallet/index.html",
        wallet=wallet,
        weeks=weeks_left(wallet.balance, use, since, today),
        uses=usage_views(catalogue, wallet.balance),
        is_low=first_entry is not None
        and wallet.balance < low_below(wallet.threshold, catalogue.policy.low_balance_credits),
        may_buy=may_buy,
        by_transfer=terms.payment_terms == "bank_transfer",
        buying=terms,
        vendor=catalogue.vendor,
        packs=packs,
        card=top_up_card(
            wallet, packs, is_suspended=who.is_suspended, today=today, now=now, catalogue=catalogue
        ),
        decline=decline_sentence({"code": wallet.failure}),
        chart=draw_chart(use, kinds),
        names={kind: usage_name(catalogue, kind) for kind in kinds},
        rows=list(entry_views(entries, catalogue, sees_money=may_buy)),
    )


@blueprint.route("/auto-top-up", methods=["GET", "POST"])
@requires(Permission.BUY)
def auto_top_up() -> ResponseReturnValue:
    """When a pack is bought automatically, which, and for how much a month at most (W3)."""
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    now, today = parts().clock.now(), parts().clock.today(who.time_zone)
    terms, wallet = get_wallet(connection, who.id, first_of_month(today))
    prices = get_price_book(connection, who.currency).packs
    packs = pack_views(catalogue, prices, account_tax(terms))
    form = _form(wallet, packs)
    if request.method == "POST" and packs and form.validate():
        try:
            settings = form.settings(who.currency)
            stop_reading()
            with transaction() as session:
                set_auto_top_up(
                    session, who.id, settings, catalogue=catalogue, actor=acting_person(), now=now
                )
        except Rejected as rejected:
            form.problems(rejected)
        except DomainError as error:
            form.problem("", error_sentence(error))
        else:
            flash(
                _("Automatic top-up is on, for at most %(amount)s in a month.",
                  amount=format_money(settings.cap, speech().locale)),
                "good",
            )  # fmt: skip
            return see_other(url_for("wallet.index"))
    return respond(
        "wallet/auto_top_up.html",
        None,
        422 if request.method == "POST" else 200,
        form=form,
        wallet=wallet,
        packs=packs,
        card=top_up_card(
            wallet, packs, is_suspended=who.is_suspended, today=today, now=now, catalogue=catalogue
        ),
        by_transfer=terms.payment_terms == "bank_transfer",
        can_pay=can_be_charged(wallet.method, today),
        buying=terms,
        vendor=catalogue.vendor,
        has_tax=account_tax(terms).rate != 0,
    )


@blueprint.post("/auto-top-up/off")
@requires(Permission.BUY)
@stays_open
def stop() -> ResponseReturnValue:
    """Nothing more is bought automatically; what is under way is finished."""
    stop_reading()
    with transaction() as session:
        stopped = stop_auto_top_up(
            session, account().id, actor=acting_person(), now=parts().clock.now()
        )
    if stopped:
        flash(_("Automatic top-up is off. No more credits are bought without you."), "good")
    return see_other(url_for("wallet.index"))


def _may_buy() -> bool:
    who = signed_in()
    assert who is not None and who.role is not None and who.member_status is not None
    return is_allowed(who.role, who.member_status, Permission.BUY)


def _form(wallet: WalletRow, packs: list[PackView]) -> TopUpForm:
    """Filled with what was chosen, else with a modest beginning: the second smallest pack, twice."""
    chosen = next((p for p in packs if p.key == wallet.pack_key), None)
    suggested = chosen or (packs[min(1, len(packs) - 1)] if packs else None)
    cap = wallet.cap or (suggested.gross * 2 if suggested is not None else None)
    threshold = wallet.threshold or parts().catalogue.policy.low_balance_credits
    form = TopUpForm(
        data={
            "threshold": str(threshold),
            "pack": suggested.key if suggested is not None else None,
            "cap": typed_amount(cap) if cap is not None else "",
        }
    )
    form.offer(packs)
    return form
