"""Credits given by hand: at once, or with a second person's approval above the policy's limit."""

from __future__ import annotations

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import HiddenField, StringField

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.permissions import StaffPermission
from portal.domain.quantities import parse_quantity
from portal.queries.credit_grants import list_grants, list_waiting_grants
from portal.services.credit_grants import (
    MOST_CREDITS,
    answer_grant,
    give_credits,
    withdraw_grant,
)
from portal.web.access import requires
from portal.web.checkout.forms import required
from portal.web.desk.serving import acting_staff, desk_account
from portal.web.forms import PortalForm
from portal.web.messages import error_sentence
from portal.web.pages import local_path, respond, see_other
from portal.web.signed_in import parts, read_connection, signed_in, stop_reading

__all__ = ["blueprint"]

blueprint = Blueprint("desk_credits", __name__, url_prefix="/desk")

_SHOWN = 50


class GrantForm(PortalForm):
    """Credits for a customer, and why; `last` is the latest grant that the page shows."""

    credits = StringField(_l("How many credits"))
    reason = StringField(_l("Reason, as the customer reads it"), required(_l("Enter the reason.")))
    last = HiddenField()


@blueprint.get("/credit-grants")
@requires(StaffPermission.CREDIT)
def waiting() -> ResponseReturnValue:
    """What waits for a second person."""
    return respond("desk/credits/index.html",
                   grants=list_waiting_grants(read_connection(), limit=_SHOWN),
                   my_id=_my_id())  # fmt: skip


@blueprint.route("/accounts/<int:account_id>/credits/new", methods=["GET", "POST"])
@requires(StaffPermission.CREDIT)
def give(account_id: int) -> ResponseReturnValue:
    """Give a customer credits, and see those that were given before."""
    account = desk_account(account_id)
    grants = list_grants(read_connection(), account_id, limit=_SHOWN)
    form, status = GrantForm(), 200
    limit = parts().catalogue.policy.manual_credit_approval_limit
    if request.method == "POST":
        valid, amount = form.validate(), _quantity(form)
        if valid and amount is not None:
            stop_reading()
            try:
                with transaction() as session:
                    grant = give_credits(
                        session, account_id, amount, form.reason.data or "",
                        last=_last(form), catalogue=parts().catalogue, actor=acting_staff(),
                        now=parts().clock.now(),
                    )  # fmt: skip
            except DomainError as error:
                form.problem("", error_sentence(error))
                grants = list_grants(read_connection(), account_id, limit=_SHOWN)
            else:
                if grant.status == "approved":
                    flash(_("The credits are in the wallet."), "good")
                else:
                    flash(_("A second person has to approve these credits."), "info")
                return see_other(url_for("desk_credits.give", account_id=account_id))
        status = 422
    form.last.data = str(grants[0].id if grants else 0)
    return respond("desk/credits/give.html", None, status, account=account, form=form,
                   grants=grants, limit=limit, my_id=_my_id())  # fmt: skip


@blueprint.post("/accounts/<int:account_id>/credits/<int:grant_id>/answer")
@requires(StaffPermission.CREDIT)
def answer(account_id: int, grant_id: int) -> ResponseReturnValue:
    """A second person approves or declines; who asked takes it back."""
    desk_account(account_id)
    said = request.form.get("action", "")
    if said not in ("approve", "decline", "withdraw"):
        abort(422)
    stop_reading()
    try:
        with transaction() as session:
            if said == "withdraw":
                withdraw_grant(session, account_id, grant_id, actor=acting_staff(),
                               now=parts().clock.now())  # fmt: skip
            else:
                answer_grant(session, account_id, grant_id, approve=said == "approve",
                             answer=request.form.get("answer", "")[:200], actor=acting_staff(),
                             now=parts().clock.now())  # fmt: skip
    except DomainError as error:
        if error.code == "grant_unknown":
            abort(404)
        flash(error_sentence(error), "bad")
    else:
        flash(
            {
                "approve": _("The credits are in the wallet."),
                "decline": _("The credits are declined."),
                "withdraw": _("The credits are taken back: nobody has to approve them."),
            }[said],
            "good",
        )
    here = url_for("desk_credits.give", account_id=account_id)
    return see_other(local_path(request.form.get("next"), here))


def _quantity(form: GrantForm) -> int | None:
    try:
        return parse_quantity(form.credits.data or "", minimum=1, maximum=MOST_CREDITS)
    except DomainError as error:
        form.problem("credits", error_sentence(error))
        return None


def _last(form: GrantForm) -> int:
    typed = form.last.data or ""
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 19 else 0


def _my_id() -> int:
    who = signed_in()
    assert who is not None, "a route of the desk asks for a person"
    return who.person_id
