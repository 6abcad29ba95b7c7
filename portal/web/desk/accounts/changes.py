"""What the desk changes about a customer itself: who serves it, and how long a trial lasts."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import DateField, SelectField
from wtforms.validators import InputRequired

from portal import formats
from portal.db import transaction
from portal.domain.errors import DomainError, Rejected
from portal.domain.permissions import StaffPermission, serves_everyone
from portal.domain.subscriptions import SubscriptionState
from portal.domain.trials import is_unpaid_trial
from portal.queries.desk_accounts import DeskAccount
from portal.queries.staff import list_staff
from portal.queries.subscriptions import list_subscription_states
from portal.services.executive_change import change_executive
from portal.services.trial_extending import extend_trial
from portal.web.access import requires
from portal.web.billing.views import product_name
from portal.web.desk.serving import acting_staff, desk_account, served_by, staff_id
from portal.web.forms import PortalForm
from portal.web.locale import speech
from portal.web.messages import error_sentence, problem_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import parts, read_connection, signed_in, stop_reading

__all__ = ["add_to"]


class ExecutiveForm(PortalForm):
    """Who serves the customer from now on."""

    executive = SelectField(_l("Account executive"), coerce=int)


class TrialForm(PortalForm):
    """Until when a trial lasts."""

    until = DateField(_l("Last day of the trial"), [InputRequired(_l("Enter a date."))])


def add_to(blueprint: Blueprint) -> None:
    """Add the routes to the area."""
    both = ["GET", "POST"]
    blueprint.add_url_rule("/<int:account_id>/executive", "executive", executive, methods=both)
    blueprint.add_url_rule(
        "/<int:account_id>/trials/<int:subscription_id>", "trial", trial, methods=both
    )


@requires(StaffPermission.SERVE)
def executive(account_id: int) -> ResponseReturnValue:
    """Give the customer another account executive; who is none any more does not see it again."""
    account = desk_account(account_id)
    people = list_staff(read_connection())
    form, status = ExecutiveForm(), 200
    form.executive.choices = [(one.staff_id, f"{one.name} · {one.email}") for one in people]
    if request.method == "POST":
        if form.validate():
            chosen = form.executive.data
            try:
                return _hand_over(account, chosen)
            except DomainError as error:
                form.problem("executive", error_sentence(error))
        status = 422
    elif account.executive_id is not None:
        form.executive.data = account.executive_id
    return respond(
        "desk/accounts/executive.html", None, status, account=account, form=form,
        is_mine=account.executive_id == staff_id() and not _sees_everyone(),
    )  # fmt: skip


def _hand_over(account: DeskAccount, chosen: int) -> ResponseReturnValue:
    stop_reading()
    with transaction() as session:
        is_new = change_executive(session, account.id, chosen, actor=acting_staff(), now=parts().clock.now())  # fmt: skip
    if is_new:
        flash(_("The account executive of %(customer)s is changed. Both sides are told.",
                customer=account.name), "good")  # fmt: skip
    else:
        flash(_("The account executive is the same as before."), "info")
    if served_by() in (None, chosen):
        return see_other(url_for("desk_accounts.show", account_id=account.id))
    return see_other(url_for("desk_accounts.index"))


def _sees_everyone() -> bool:
    who = signed_in()
    return who is not None and who.staff_role is not None and serves_everyone(who.staff_role)


@requires(StaffPermission.SERVE)
def trial(account_id: int, subscription_id: int) -> ResponseReturnValue:
    """Give a trial more time, also one that is over and can still be read (C5)."""
    account = desk_account(account_id)
    state = _state_or_404(account_id, subscription_id)
    if not is_unpaid_trial(state):  # bought, since the page was opened that led here
        flash(problem_sentence("trial_bought", {}), "info")
        return see_other(url_for("desk_accounts.show", account_id=account_id))
    form, status = TrialForm(), 200
    if request.method == "POST":
        if form.validate():
            try:
                assert form.until.data is not None, "the form asks for a date"
                return _extend(account, state, form.until.data)
            except Rejected as rejected:
                form.problems(rejected)
            except DomainError as error:
                form.problem("until", error_sentence(error))
        status = 422
    return respond(
        "desk/accounts/trial.html", None, status, account=account, form=form, state=state,
        product=product_name(state, parts().catalogue, speech().locale),
    )  # fmt: skip


def _state_or_404(account_id: int, subscription_id: int) -> SubscriptionState:
    for state in list_subscription_states(read_connection(), account_id):
        if state.subscription_id == subscription_id:
            return state
    abort(404)


def _extend(account: DeskAccount, state: SubscriptionState, until: date) -> ResponseReturnValue:
    stop_reading()
    with transaction() as session:
        extend_trial(session, account.id, state.product_key, until, catalogue=parts().catalogue,
                     actor=acting_staff(), now=parts().clock.now())  # fmt: skip
    day = formats.format_day(until, speech().locale)
    flash(_("The trial lasts until %(day)s. The admins are told.", day=day), "good")
    return see_other(url_for("desk_accounts.show", account_id=account.id))
