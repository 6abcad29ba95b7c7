"""Whom to turn to, and messages to the vendor."""

from __future__ import annotations

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.permissions import Permission, is_allowed
from portal.queries.accounts import list_admins
from portal.queries.quotes import get_account_buying
from portal.queries.support import (
    get_message,
    list_messages,
    list_package_prices,
    list_service_requests,
)
from portal.services.support_messages import reply_to_message, send_message
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import account, parts, read_connection, signed_in, stop_reading
from portal.web.support import packages
from portal.web.support.forms import MessageForm, ReplyForm
from portal.web.support.views import package_views

blueprint = Blueprint("support", __name__, url_prefix="/support")

LATEST, PAGE = 5, 20
_LAST_PAGE = 10_000


@blueprint.get("")
@requires(Permission.SEE_LICENCES)
def index() -> ResponseReturnValue:
    """Whom to turn to; for who may write and buy also the latest messages and the packages."""
    return _index(None, 200)


@blueprint.get("/messages")
@requires(Permission.ASK_SUPPORT)
def messages() -> ResponseReturnValue:
    """Every message of the account, the newest first."""
    page_text = request.args.get("page", "1")
    page = int(page_text) if page_text.isascii() and page_text.isdigit() else 0
    if not 1 <= page <= _LAST_PAGE:
        abort(404)
    found = list_messages(read_connection(), account().id, limit=PAGE + 1, offset=(page - 1) * PAGE)
    if page > 1 and not found:
        abort(404)
    return respond("support/messages.html", "support/_messages.html", messages=found[:PAGE],
                   has_more=len(found) > PAGE, page=page)  # fmt: skip


@blueprint.post("/messages")
@requires(Permission.ASK_SUPPORT)
def send() -> ResponseReturnValue:
    """Send a message to the vendor."""
    form = MessageForm()
    if form.validate():
        try:
            stop_reading()
            with transaction() as session:
                message_id = send_message(
                    session, account().id, form.about.data or "", form.text.data or "",
                    catalogue=parts().catalogue, actor=acting_person(), now=parts().clock.now(),
                ).id  # fmt: skip
        except DomainError as error:
            form.problem("", error_sentence(error))
        else:
            flash(
                _("Your message is on its way. The answer comes by e-mail and stands here."), "good"
            )
            return see_other(url_for("support.message", message_id=message_id))
    return _index(form, 422)


@blueprint.get("/messages/<int:message_id>")
@requires(Permission.ASK_SUPPORT)
def message(message_id: int) -> ResponseReturnValue:
    """A message, what was said after it, and where it stands."""
    return _message(message_id, ReplyForm(), 200)


@blueprint.post("/messages/<int:message_id>/replies")
@requires(Permission.ASK_SUPPORT)
def reply(message_id: int) -> ResponseReturnValue:
    """Go on with a message."""
    form = ReplyForm()
    if get_message(read_connection(), account().id, message_id) is None:
        abort(404)
    if form.validate():
        try:
            stop_reading()
            with transaction() as session:
                reply_to_message(
                    session, account().id, message_id, form.text.data or "",
                    catalogue=parts().catalogue, actor=acting_person(), now=parts().clock.now(),
                )  # fmt: skip
        except DomainError as error:
            form.problem("", error_sentence(error))
        else:
            flash(_("Your reply is on its way."), "good")
            return see_other(url_for("support.message", message_id=message_id))
    return _message(message_id, form, 422)


def _index(form: MessageForm | None, status: int) -> ResponseReturnValue:
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    person = signed_in()
    assert person is not None and person.role is not None and person.member_status is not None
    may_ask = is_allowed(person.role, person.member_status, Permission.ASK_SUPPORT)
    shown = {}
    if may_ask:
        latest = list_messages(connection, who.id, limit=LATEST + 1)
        shown = {
            "form": form or MessageForm(),
            "messages": latest[:LATEST],
            "has_more": len(latest) > LATEST,
            "packages": package_views(
                catalogue, list_package_prices(connection, who.currency),
                list_service_requests(connection, who.id), who.payment_terms, speech().locale,
            ),
        }  # fmt: skip
    return respond(
        "support/index.html",
        None,
        status,
        may_ask=may_ask,
        buying=get_account_buying(connection, who.id),
        vendor=catalogue.vendor,
        admins=[] if may_ask else list_admins(connection, who.id),
        **shown,
    )


def _message(message_id: int, form: ReplyForm, status: int) -> ResponseReturnValue:
    found = get_message(read_connection(), account().id, message_id)
    if found is None:
        abort(404)
    row, said = found
    return respond(
        "support/message.html",
        None,
        status,
        message=row,
        said=said,
        form=form,
        brand_name=parts().catalogue.vendor.brand,
    )


packages.add_to(blueprint)
