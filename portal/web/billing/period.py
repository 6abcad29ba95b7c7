"""/billing/period: monthly, quarterly or yearly, compared and chosen."""

from __future__ import annotations

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal import formats
from portal.db import transaction
from portal.domain.changes import PlannedChange, plan_period_change
from portal.domain.errors import DomainError
from portal.domain.period_options import why_no_period_change
from portal.domain.periods import Interval
from portal.domain.permissions import Permission
from portal.domain.renewal_invoices import plan_renewal_invoice
from portal.domain.renewals import plan_next_period
from portal.domain.subscriptions import SubscriptionState
from portal.queries.prices import get_price_book
from portal.queries.quotes import get_account_buying
from portal.queries.subscriptions import list_subscription_states
from portal.services.period_changes import ask_for_period
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.billing.views import (
    invoice_view,
    period_cards,
    product_name,
    tax_of,
)
from portal.web.changes.views import change_lines, moved_lines
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import account, parts, read_connection, stop_reading

__all__ = ["add_to"]


def add_to(blueprint: Blueprint) -> None:
    """Add the routes of the billing periods to the area."""
    blueprint.add_url_rule("/period", "periods", periods, methods=["GET"])
    blueprint.add_url_rule(
        "/period/<int:subscription_id>", "period", period, methods=["GET", "POST"]
    )


@requires(Permission.BUY)
def periods() -> ResponseReturnValue:
    """The billing periods of every subscription, with what each costs."""
    return _choice(_states())


@requires(Permission.BUY)
def period(subscription_id: int) -> ResponseReturnValue:
    """Those of one subscription; with `to`, what a change to it would mean, and then asking it."""
    states = _states()
    state = next((s for s in states if s.subscription_id == subscription_id), None)
    if state is None:
        abort(404)
    if request.method == "POST":
        return _ask(state)
    wanted = request.args.get("to")
    if wanted is None:
        return _choice((state,), alone=True)
    try:
        interval = Interval(wanted)
    except ValueError:
        abort(404)
    return _confirm(state, interval)


def _states() -> tuple[SubscriptionState, ...]:
    who = account()
    return list_subscription_states(
        read_connection(), who.id, parts().clock.today(who.time_zone)
    )  # fmt: skip


def _choice(
    states: tuple[SubscriptionState, ...],
    *,
    alone: bool = False,
    problem: str | None = None,
) -> ResponseReturnValue:
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    return respond(
        "billing/period.html",
        None,
        422 if problem else 200,
        cards=period_cards(
            states,
            get_price_book(connection, who.currency),
            catalogue,
            who.payment_terms,
            parts().clock.today(who.time_zone),
            speech().locale,
        ),
        alone=alone,
        problem=problem,
        buying=get_account_buying(connection, who.id),
        vendor=catalogue.vendor,
        notice_days=catalogue.policy.change_notice_days,
    )


def _confirm(
    state: SubscriptionState, interval: Interval, problem: str | None = None
) -> ResponseReturnValue:
    """What the change would mean, before anything is asked."""
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    if why_no_period_change(state, catalogue, who.payment_terms) is not None:
        return _choice((state,), alone=True)  # which says why
    try:
        planned = plan_period_change(
            state,
            interval,
            get_price_book(connection, who.currency),
            parts().clock.today(who.time_zone),
            catalogue.policy.change_notice_days,
        )
    except DomainError as error:
        return _choice((state,), alone=True, problem=error_sentence(error))
    buying = get_account_buying(connection, who.id)
    decision = tax_of(catalogue.vendor, buying)
    locale = speech().locale
    before, after, coming = (
        invoice_view(plan_renewal_invoice(renewal, decision, who.currency), catalogue, locale)
        for renewal in (planned.before, planned.after, plan_next_period(state))
    )
    replaced = {change.id for change in planned.replaces}
    lines = change_lines(state, catalogue, locale)
    assert state.term is not None
    return respond(
        "billing/period_confirm.html",
        None,
        422 if problem else 200,
        subscription_id=state.subscription_id,
        product=product_name(state, catalogue, locale),
        interval=interval,
        time=planned.time,
        before=before,
        after=after,
        coming=coming,
        decision=decision,
        replaced=[line for line in lines if line.id in replaced],
        others=[
            line
            for line in lines
            if line.id not in replaced and line.effective_on <= planned.time.effective_on
        ],
        moved=moved_lines(state, planned, catalogue, locale),
        anchor_day=state.term.anchor_day,
        shown=planned.key,
        problem=problem,
        notice_days=catalogue.policy.change_notice_days,
    )


def _ask(state: SubscriptionState) -> ResponseReturnValue:
    who, here = account(), parts()
    try:
        interval = Interval(request.form.get("to", ""))
    except ValueError:
        return _choice((state,), alone=True, problem=_("Choose one of the billing periods."))
    stop_reading()
    try:
        with transaction() as session:
            planned = ask_for_period(
                session,
                who.id,
                state.subscription_id,
                interval,
                shown=request.form.get("shown", ""),
                catalogue=here.catalogue,
                actor=acting_person(),
                now=here.clock.now(),
            )
    except DomainError as error:
        return _not_asked(state.subscription_id, interval, error)
    flash(_asked(planned, interval), "good")
    return see_other(url_for("billing.periods"))


def _not_asked(subscription_id: int, interval: Interval, error: DomainError) -> ResponseReturnValue:
    """What is there now, with the reason; nothing was changed."""
    state = next((s for s in _states() if s.subscription_id == subscription_id), None)
    if state is None:
        abort(404)
    if error.code in {"change_differs", "date_moved"}:
        return _confirm(state, interval, error_sentence(error))
    return _choice((state,), alone=True, problem=error_sentence(error))


def _asked(planned: PlannedChange, interval: Interval) -> str:
    day = formats.format_day(planned.time.effective_on, speech().locale)
    if interval is Interval.MONTH:
        return str(_("From %(day)s you are billed monthly. Until then you can undo it.", day=day))
    if interval is Interval.QUARTER:
        return str(_("From %(day)s you are billed quarterly. Until then you can undo it.", day=day))
    return str(_("From %(day)s you are billed yearly. Until then you can undo it.", day=day))
