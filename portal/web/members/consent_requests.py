"""Asking an admin for consent to lose a licence at a renewal, and taking a request back (S7)."""

from __future__ import annotations

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.domain.permissions import Permission
from portal.services.consents import ask_to_free_at_renewal, withdraw_request
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.members.acting import carry_out, consents_address, member_or_404
from portal.web.members.forms import ids
from portal.web.signed_in import account, parts

__all__ = ["add_to"]


@requires(Permission.MANAGE_MEMBERS)
def ask(member_id: int) -> ResponseReturnValue:
    """Mail the request: may a renewal take this admin's licences?"""
    member = member_or_404(member_id)

    def work(session: Session) -> str:
        ask_to_free_at_renewal(session, account().id, member_id,
                               address=consents_address(parts().settings.public_url),
                               actor=acting_person(), now=parts().clock.now())  # fmt: skip
        return _("%(name)s was asked to agree, with a link by e-mail. Nothing changes until then.",
                 name=member.name)  # fmt: skip

    return carry_out(work, to=url_for("members.show", member_id=member_id))


@requires(Permission.MANAGE_MEMBERS)
def withdraw(member_id: int) -> ResponseReturnValue:
    """Take a request back; its link says so from then on."""
    member = member_or_404(member_id)
    [consent_id] = ids([request.form.get("consent", "")])

    def work(session: Session) -> str:
        withdraw_request(session, account().id, member_id, consent_id, actor=acting_person(),
                         now=parts().clock.now())  # fmt: skip
        return _("The request to %(name)s is withdrawn.", name=member.name)

    return carry_out(work, to=url_for("members.show", member_id=member_id))


def add_to(blueprint: Blueprint) -> None:
    """Register the routes of this module."""
    path = "/<int:member_id>/consent"
    blueprint.add_url_rule(f"{path}/ask", "ask_consent", ask, methods=["POST"])
    blueprint.add_url_rule(f"{path}/withdraw", "withdraw_consent", withdraw, methods=["POST"])
