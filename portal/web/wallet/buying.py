"""/wallet/buy: a pack of credits, in one step where method and address are known (Q4)."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from portal.db import transaction
from portal.domain.errors import DomainError, Rejected
from portal.domain.permissions import Permission
from portal.domain.quotes import subject_of_wallet, terms_key
from portal.domain.wishes import Credits
from portal.queries.one_page import OnePageRow, get_one_page
from portal.queries.quotes import AccountBuying, list_holdings
from portal.services.one_page_checkout import AtOnce, order_at_once
from portal.services.ordering import PlacedOrder
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.attempts import collect
from portal.web.buying import (
    Market,
    Preview,
    account_tax,
    preview_purchase,
    read_market,
    replaced_ids,
    replaced_quotes,
    save_and_review,
)
from portal.web.messages import error_sentence, smallest_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import account, parts, read_connection, signed_in, stop_reading
from portal.web.wallet.forms import PackForm
from portal.web.wallet.views import PackView, can_be_charged, pack_views

__all__ = ["add_to"]

_LONGEST_ID = 18  # digits


def add_to(blueprint: Blueprint) -> None:
    """Add the route to the area."""
    blueprint.add_url_rule("/buy", "buy", buy, methods=["GET", "POST"])


@requires(Permission.BUY)
def buy() -> ResponseReturnValue:
    """Choose a pack, see what it costs with VAT; then pay at once, or go the way of every cart."""
    who, person, market = account(), signed_in(), read_market()
    assert person is not None
    packs = pack_views(parts().catalogue, market.book.packs, account_tax(market.buying))
    if market.buying.payment_terms == "bank_transfer" or not packs:
        return respond(
            "wallet/not_sold.html",
            None,
            422 if request.method == "POST" else 200,
            packs=packs,
            buying=market.buying,
            vendor=parts().catalogue.vendor,
        )
    subject = subject_of_wallet(who.id)
    known = get_one_page(read_connection(), who.id, person.person_id, subject)
    form = PackForm(data={"pack": _preselected(packs)})
    form.offer(packs)
    action = request.form.get("action") if request.method == "POST" else "preview"
    status = 200
    if request.method == "POST" and not form.validate():
        status = 422
    elif action != "preview":
        wishes = [Credits(form.pack.data)]
        try:
            if action == "pay" and _is_complete(known, market):
                return see_other(_ordered(wishes, subject, known))
            return see_other(save_and_review(wishes))
        except DomainError as error:
            if isinstance(error, Rejected):
                form.problems(error)
            else:
                form.problem("", error_sentence(error))
            status = 422
            market = _as_of_now(market)
    return _show(form, packs, market, known, subject, status)


def _show(
    form: PackForm,
    packs: list[PackView],
    market: Market,
    known: OnePageRow,
    subject: str,
    status: int,
) -> ResponseReturnValue:
    preview: Preview | None = None
    if form.pack.data in {pack.key for pack in packs}:
        preview = preview_purchase([Credits(form.pack.data)], market)
    return respond(
        "wallet/buy.html",
        "wallet/_price.html",
        status,
        form=form,
        packs=packs,
        chosen=next((pack for pack in packs if pack.key == form.pack.data), None),
        preview=preview,
        shown=terms_key(preview.priced) if preview is not None else "",
        known=known,
        at_once=_is_complete(known, market),
        amount_refusal=smallest_sentence(preview.priced.totals.gross) if preview else None,
        replaced=replaced_quotes(market.holdings, {subject}),
        buying=market.buying,
        today=market.today,
    )


def _preselected(packs: list[PackView]) -> str:
    """The pack of the address, or else the second smallest."""
    wanted = request.args.get("pack", "")
    if wanted in {pack.key for pack in packs}:
        return wanted
    return packs[min(1, len(packs) - 1)].key


def _is_complete(known: OnePageRow, market: Market) -> bool:
    """Whether nothing has to be asked but the pack: method, contact and billing address are known."""
    return (
        can_be_charged(known.method, market.today)
        and known.contact_member_id is not None
        and _has_address(market.buying)
    )


def _has_address(buying: AccountBuying) -> bool:
    needed = (
        buying.company_name, buying.address_line1, buying.postal_code, buying.city, buying.country,
        buying.billing_email,
    )  # fmt: skip
    return all(needed)


def _ordered(wishes: list[Credits], subject: str, known: OnePageRow) -> str:
    """Order what the form showed, collect, and the address of the order's page."""
    who, here = account(), parts()
    assert known.contact_member_id is not None and known.method is not None
    wanted = AtOnce(
        wishes=wishes,
        subject=subject,
        shown=request.form.get("shown", ""),
        last_order_id=_sent_id("last_order"),
        method_id=_sent_id("method"),
        contact_member_id=known.contact_member_id,
        replaces=replaced_ids(),
    )
    stop_reading()
    with transaction() as session:
        placed: PlacedOrder = order_at_once(
            session,
            who.id,
            wanted,
            catalogue=here.catalogue,
            actor=acting_person(),
            now=here.clock.now(),
        )
    if placed.attempt_id is not None:
        collect(placed.attempt_id)
    return url_for("orders.show", order_id=placed.order_id)


def _sent_id(name: str) -> int:
    """An id that the form showed; 0, which is nothing's, where it was tampered with."""
    text = request.form.get(name, "")
    is_id = text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID
    return int(text) if is_id else 0


def _as_of_now(market: Market) -> Market:
    """What was refused may have been overtaken: look again at what quotes hold."""
    return replace(market, holdings=list_holdings(read_connection(), account().id))
