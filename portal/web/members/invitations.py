"""Inviting people, sending an invitation again, withdrawing it."""

from __future__ import annotations

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.errors import DomainError, Rejected
from portal.domain.permissions import Permission
from portal.queries.subscriptions import list_subscription_states
from portal.services.inviting import (
    Invited,
    invite_member,
    resend_invitation,
    withdraw_invitation,
)
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.locale import LANGUAGE_NAMES, speech
from portal.web.members.acting import carry_out, member_or_404
from portal.web.members.forms import InviteForm, ids
from portal.web.members.views import Licence, licences
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import account, parts, read_connection, stop_reading

__all__ = ["add_to"]


@requires(Permission.MANAGE_MEMBERS)
def invite() -> ResponseReturnValue:
    """Ask somebody into the account; the licences that are chosen are kept for them."""
    every = _all_licences()
    form = InviteForm([each for each in every if each.refused is None], account().locale)
    status = 200
    if request.method == "POST":
        status = 422
        role = form.chosen
        if form.validate() and role is None:
            form.problem("role", _("Choose a role."))
        elif form.validate() and role is not None:
            locale = form.locale.data if form.locale.data in LANGUAGE_NAMES else account().locale
            invited = Invited(form.email.data or "", form.name.data or "", role, str(locale))
            try:
                return _invite(invited, ids(form.licences.data))
            except Rejected as rejected:
                form.problems(rejected)
            except DomainError as error:
                form.problem("", error_sentence(error))
    return respond("members/invite.html", None, status, form=form,
                   full=[each for each in every if each.refused is not None])  # fmt: skip


def _invite(invited: Invited, items: list[int]) -> ResponseReturnValue:
    stop_reading()
    with transaction() as session:
        member = invite_member(session, account().id, invited, items,
                               catalogue=parts().catalogue, actor=acting_person(),
                               now=parts().clock.now())  # fmt: skip
        member_id = member.id
    flash(_("The invitation is on its way to %(email)s.", email=invited.email), "good")
    return see_other(url_for("members.show", member_id=member_id))


def _all_licences() -> list[Licence]:
    who = account()
    today = parts().clock.today(who.time_zone)
    states = list_subscription_states(read_connection(), who.id, today)
    return licences(states, (), parts().catalogue, speech().locale)


@requires(Permission.MANAGE_MEMBERS)
def resend(member_id: int) -> ResponseReturnValue:
    """Mail the invitation once more."""
    member = member_or_404(member_id)

    def work(session: Session) -> str:
        resend_invitation(session, account().id, member_id, catalogue=parts().catalogue,
                          actor=acting_person(), now=parts().clock.now())  # fmt: skip
        return _("The invitation is on its way to %(email)s again.", email=member.email)

    return carry_out(work, to=url_for("members.show", member_id=member_id))


@requires(Permission.MANAGE_MEMBERS)
def withdraw(member_id: int) -> ResponseReturnValue:
    """Take the invitation back; the person leaves the list."""
    member_or_404(member_id)

    def work(session: Session) -> str:
        name = withdraw_invitation(session, account().id, member_id, catalogue=parts().catalogue,
                                   actor=acting_person(), now=parts().clock.now())  # fmt: skip
        return _("The invitation of %(name)s is withdrawn.", name=name)

    return carry_out(work, to=url_for("members.index"),
                     otherwise=url_for("members.show", member_id=member_id))  # fmt: skip


def add_to(blueprint: Blueprint) -> None:
    """Register the routes of this module."""
    blueprint.add_url_rule("/invite", "invite", invite, methods=["GET", "POST"])
    path = "/<int:member_id>/invitation"
    blueprint.add_url_rule(f"{path}/resend", "resend", resend, methods=["POST"])
    blueprint.add_url_rule(f"{path}/withdraw", "withdraw", withdraw, methods=["POST"])
