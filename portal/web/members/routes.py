"""/members: the list, and a person's own page with what can be done there."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy.orm import Session

from portal.domain.errors import DomainError
from portal.domain.permissions import Permission, Role, is_allowed
from portal.queries.consents import list_consents_of
from portal.queries.members import (
    MemberDetail,
    MemberFilter,
    count_members,
    list_licences_of,
    list_members,
)
from portal.queries.subscriptions import list_subscription_states
from portal.services.consents import (
    REQUEST_LIFETIME,
    ask_to_deactivate,
    ask_to_give_up_rights,
)
from portal.services.licence_assigning import assign_licence, free_licence
from portal.services.member_roles import change_role
from portal.services.member_status import deactivate_member, reactivate_member
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.locale import speech
from portal.web.members import consent_requests, files, invitations
from portal.web.members.acting import carry_out, consents_address, member_or_404
from portal.web.members.forms import ReactivateForm, RoleForm, ids
from portal.web.members.views import Licence, labels_of, licences, products_of
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import account, parts, read_connection, signed_in

__all__ = ["blueprint"]

blueprint = Blueprint("members", __name__, url_prefix="/members")
invitations.add_to(blueprint)
consent_requests.add_to(blueprint)
files.add_to(blueprint)

PAGE = 50
_LAST_PAGE = 10_000
_STATUSES = ("active", "invited", "deactivated")
_LONGEST_SEARCH = 100
_LATEST_REQUESTS = 10


@blueprint.get("")
@requires(Permission.BUY)
def index() -> ResponseReturnValue:
    """The account's people, by name, narrowed by a word, a status, a product."""
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    wanted = MemberFilter(
        text=" ".join(request.args.get("q", "").split())[:_LONGEST_SEARCH],
        status=request.args.get("status", ""),
        product=request.args.get("product", ""),
    )
    page = request.args.get("page", 1, type=int)
    if (wanted.status and wanted.status not in _STATUSES) or not 1 <= page <= _LAST_PAGE:
        abort(404)
    states = list_subscription_states(connection, who.id, parts().clock.today(who.time_zone))
    products = products_of(states, catalogue, speech().locale)
    if wanted.product and wanted.product not in dict(products):
        abort(404)
    counts = count_members(connection, who.id, wanted)
    rows = list_members(connection, who.id, wanted, limit=PAGE, offset=(page - 1) * PAGE)
    if page > 1 and not rows:
        abort(404)
    found = counts.get(wanted.status, 0) if wanted.status else sum(counts.values())
    return respond(
        "members/index.html",
        "members/_list.html",
        rows=rows,
        held=list_licences_of(connection, who.id, [row.member_id for row in rows]),
        labels=labels_of(states, catalogue, speech().locale),
        counts=counts,
        total=sum(counts.values()),
        found=found,
        wanted=wanted,
        products=products,
        page=page,
        has_more=page * PAGE < found,
        may_manage=_may_manage(),
    )


@blueprint.get("/<int:member_id>")
@requires(Permission.BUY)
def show(member_id: int) -> ResponseReturnValue:
    """One person: role, status, licences, what waits for an answer, and what can be done."""
    member = member_or_404(member_id)
    since = parts().clock.now() - REQUEST_LIFETIME
    asked = list_consents_of(read_connection(), account().id, member_id, limit=_LATEST_REQUESTS)
    person = signed_in()
    assert person is not None
    return respond(
        "members/show.html",
        member=member,
        licences=_licences(member),
        waiting=[each for each in asked if each.answer is None and each.asked_at > since],
        answered=[each for each in asked if each.answer is not None],
        may_manage=_may_manage(),
        is_self=member.person_id == person.person_id,
    )


@blueprint.post("/<int:member_id>/licences/give")
@requires(Permission.BUY)
def give_licence(member_id: int) -> ResponseReturnValue:
    """Give the person a licence of one item, if one is free (S9)."""
    member = member_or_404(member_id)
    [item_id] = ids([request.form.get("item", "")])
    label = _label(item_id)

    def work(session: Session) -> str:
        assign_licence(session, account().id, member_id, item_id, catalogue=parts().catalogue,
                       actor=acting_person(), now=parts().clock.now())  # fmt: skip
        return _("%(name)s has a licence for %(product)s.", name=member.name, product=label)

    return carry_out(work, to=_page_of(member_id))


@blueprint.post("/<int:member_id>/licences/free")
@requires(Permission.BUY)
def take_licence(member_id: int) -> ResponseReturnValue:
    """Free the person's licence of one item; what is paid stays the same."""
    member = member_or_404(member_id)
    [item_id] = ids([request.form.get("item", "")])
    label = _label(item_id)

    def work(session: Session) -> str:
        free_licence(session, account().id, member_id, item_id, catalogue=parts().catalogue,
                     actor=acting_person(), now=parts().clock.now())  # fmt: skip
        return _("The licence of %(name)s for %(product)s is free.", name=member.name,
                 product=label)  # fmt: skip

    return carry_out(work, to=_page_of(member_id))


@blueprint.route("/<int:member_id>/role", methods=["GET", "POST"])
@requires(Permission.MANAGE_MEMBERS)
def role(member_id: int) -> ResponseReturnValue:
    """Another role; an active admin who would lose the rights is asked in writing first (S7)."""
    member = member_or_404(member_id)
    form = RoleForm(data={"role": member.role})
    if request.method == "POST" and form.validate():
        chosen = form.chosen
        if chosen is None:
            form.problem("role", _("Choose a role."))
        elif member.is_active_admin and chosen is not Role.ADMIN:
            return _ask_for_rights(member, chosen)
        else:
            return carry_out(lambda session: _give_role(session, member, chosen),
                             to=_page_of(member_id))  # fmt: skip
    return respond("members/role.html", None, 422 if request.method == "POST" else 200,
                   member=member, form=form, is_last=_is_last_admin(member))  # fmt: skip


@blueprint.route("/<int:member_id>/deactivate", methods=["GET", "POST"])
@requires(Permission.MANAGE_MEMBERS)
def deactivate(member_id: int) -> ResponseReturnValue:
    """Say what happens; then free the person's licences, or ask an admin for consent (S7, S8)."""
    member = member_or_404(member_id)
    if request.method == "GET":
        if member.status != "active":
            return redirect(_page_of(member_id), 303)
        held = [each for each in _licences(member) if each.since is not None]
        return respond("members/deactivate.html", member=member, held=held,
                       is_last=_is_last_admin(member))  # fmt: skip
    if member.is_active_admin:
        return carry_out(lambda session: _ask_to_leave(session, member), to=_page_of(member_id))

    def work(session: Session) -> str:
        freed = deactivate_member(session, account().id, member_id, catalogue=parts().catalogue,
                                  actor=acting_person(), now=parts().clock.now())  # fmt: skip
        return ngettext(
            "%(name)s is deactivated. %(num)s licence is free now; you pay for as many as before.",
            "%(name)s is deactivated. %(num)s licences are free now; you pay for as many as before.",
            freed, name=member.name,
        )  # fmt: skip

    return carry_out(work, to=_page_of(member_id))


@blueprint.route("/<int:member_id>/reactivate", methods=["GET", "POST"])
@requires(Permission.MANAGE_MEMBERS)
def reactivate(member_id: int) -> ResponseReturnValue:
    """Let somebody back, with a licence that is free; else offer to add one."""
    member = member_or_404(member_id)
    if member.status != "deactivated":
        if request.method == "POST":
            flash(error_sentence(DomainError("member_not_deactivated")), "bad")
        return see_other(_page_of(member_id))
    every = _licences(member)
    offered = [each for each in every if each.refused is None]
    form = ReactivateForm(offered)
    if request.method == "POST" and form.validate():
        chosen = ids(form.licences.data)
        try_again = url_for("members.reactivate", member_id=member_id)
        return carry_out(lambda session: _let_back(session, member, chosen),
                         to=_page_of(member_id), otherwise=try_again)  # fmt: skip
    return respond("members/reactivate.html", None, 422 if request.method == "POST" else 200,
                   member=member, form=form, offered=offered,
                   full=[each for each in every if each.refused is not None])  # fmt: skip


def _give_role(session: Session, member: MemberDetail, role: Role) -> str:
    changed = change_role(session, account().id, member.member_id, role, actor=acting_person(),
                          now=parts().clock.now())  # fmt: skip
    if not changed:
        return _("That is the role %(name)s has. Nothing was changed.", name=member.name)
    return _("The role of %(name)s is changed.", name=member.name)


def _ask_for_rights(member: MemberDetail, role: Role) -> ResponseReturnValue:
    def work(session: Session) -> str:
        ask_to_give_up_rights(session, account().id, member.member_id, role,
                              address=consents_address(parts().settings.public_url),
                              actor=acting_person(), now=parts().clock.now())  # fmt: skip
        return _asked(member)

    return carry_out(work, to=_page_of(member.member_id))


def _ask_to_leave(session: Session, member: MemberDetail) -> str:
    ask_to_deactivate(session, account().id, member.member_id,
                      address=consents_address(parts().settings.public_url),
                      actor=acting_person(), now=parts().clock.now())  # fmt: skip
    return _asked(member)


def _asked(member: MemberDetail) -> str:
    return _("%(name)s was asked to agree, with a link by e-mail. Nothing changes until then.",
             name=member.name)  # fmt: skip


def _let_back(session: Session, member: MemberDetail, items: list[int]) -> str:
    reactivate_member(session, account().id, member.member_id, items, catalogue=parts().catalogue,
                      actor=acting_person(), now=parts().clock.now())  # fmt: skip
    return _("%(name)s is active again.", name=member.name)


def _licences(member: MemberDetail) -> list[Licence]:
    who, connection = account(), read_connection()
    states = list_subscription_states(connection, who.id, parts().clock.today(who.time_zone))
    held = list_licences_of(connection, who.id, [member.member_id])
    return licences(states, held.get(member.member_id, ()), parts().catalogue, speech().locale)


def _label(item_id: int) -> str:
    """What the item is called; one that the account does not have is refused by the service."""
    states = list_subscription_states(read_connection(), account().id)
    return labels_of(states, parts().catalogue, speech().locale).get(item_id, "")


def _is_last_admin(member: MemberDetail) -> bool:
    return member.is_active_admin and member.active_admins <= 1


def _may_manage() -> bool:
    who = signed_in()
    assert who is not None and who.role is not None and who.member_status is not None
    return is_allowed(who.role, who.member_status, Permission.MANAGE_MEMBERS)


def _page_of(member_id: int) -> str:
    return url_for("members.show", member_id=member_id)
