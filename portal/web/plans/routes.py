"""Another plan: compare them, upgrade now through a quote, or change at the renewal (C1, S4)."""

from __future__ import annotations

from flask import Blueprint, abort, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.domain.changes import plan_plan_change
from portal.domain.labels import label_of
from portal.domain.permissions import Permission
from portal.domain.purchases import is_upgrade, replaced_by_switch, why_not_alone
from portal.domain.quotes import subject_of_subscription
from portal.domain.subscriptions import ChangeKind
from portal.domain.wishes import Switch
from portal.services.plan_changes import ask_plan_change
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.buying import (
    BuyForm,
    Page,
    ask_at_renewal,
    buy_now,
    explain_help,
    read_subscription,
)
from portal.web.changes.views import change_line
from portal.web.locale import speech
from portal.web.pages import respond, see_other
from portal.web.plans.views import comparison, losses, plan_columns
from portal.web.signed_in import account, parts

blueprint = Blueprint("plans", __name__, url_prefix="/licences/<int:subscription_id>/plan")


@blueprint.get("")
@requires(Permission.BUY)
def index(subscription_id: int) -> ResponseReturnValue:
    """The product's plans beside each other, in the account's currency and billing period."""
    market, state, product = read_subscription(subscription_id)
    catalogue, locale, terms = parts().catalogue, speech().locale, market.buying.payment_terms
    columns = plan_columns(state, product, market.book, catalogue, terms, market.today)
    waiting = [*state.changes_of(ChangeKind.PLAN), *state.changes_of(ChangeKind.PERIOD)]
    present = product.plan(state.plan_item.plan_key or "")
    return respond(
        "plans/index.html",
        subscription_id=subscription_id,
        product=product,
        state=state,
        columns=columns,
        features=comparison(product, columns),
        waiting=[change_line(state, change, catalogue, locale) for change in waiting],
        blocked=why_not_alone(state, product.key, catalogue, terms),
        reason=present.self_service_reason or product.self_service_reason,
        buying=market.buying,
        vendor=catalogue.vendor,
    )


@blueprint.route("/<plan_key>", methods=["GET", "POST"])
@requires(Permission.BUY)
def choose(subscription_id: int, plan_key: str) -> ResponseReturnValue:
    """What a plan costs now; or when it comes, and what is lost. Nothing happens before that."""
    market, state, product = read_subscription(subscription_id)
    catalogue, locale, today = parts().catalogue, speech().locale, market.today
    if plan_key not in {plan.key for plan in product.offered_plans}:
        abort(404)
    index_url = url_for("plans.index", subscription_id=subscription_id)
    item = state.plan_item
    if plan_key == item.plan_key:
        return see_other(index_url)
    terms = market.buying.payment_terms
    blocked = why_not_alone(state, product.key, catalogue, terms, plan=plan_key)
    name = label_of(catalogue, product.key, plan_key, None, None, locale)
    old_name = label_of(catalogue, product.key, item.plan_key, None, None, locale)
    if blocked is not None:
        plan = product.plan(plan_key)
        reason = plan.self_service_reason or product.self_service_reason
        return explain_help(_("Change the plan"), old_name, blocked, reason, market.buying)
    upgrade = is_upgrade(state, item, plan_key, market.book, catalogue, today)
    page = Page(
        title=_("Upgrade to %(plan)s", plan=name)
        if upgrade
        else _("Change to %(plan)s", plan=name),
        text=_("Instead of %(plan)s, for all licences.", plan=old_name),
        here=url_for("plans.choose", subscription_id=subscription_id, plan_key=plan_key),
        back=index_url,
        replaced=[
            change_line(state, change, catalogue, locale)
            for change in replaced_by_switch(state, item)
        ],
        button=lambda day: _("Change to %(plan)s on %(day)s", plan=name, day=day),
        details={
            "losses": losses(product, item.plan_key or "", plan_key),
            "old_name": old_name,
            "new_name": name,
        },
    )
    if upgrade:
        return buy_now(
            page, market, {subject_of_subscription(subscription_id)},
            lambda: [Switch(item.item_id, plan_key)], BuyForm(),
        )  # fmt: skip
    notice = catalogue.policy.change_notice_days
    return ask_at_renewal(
        page,
        market.buying,
        lambda: plan_plan_change(state, plan_key, market.book, today, notice),
        lambda session, shown: ask_plan_change(
            session,
            account().id,
            subscription_id,
            plan_key,
            shown=shown,
            catalogue=catalogue,
            actor=acting_person(),
            now=parts().clock.now(),
        ),
    )
