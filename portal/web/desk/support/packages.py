"""Service packages that customers ask for or bought: the queue, and the vendor's word on one (Q7)."""

from __future__ import annotations

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.permissions import StaffPermission
from portal.domain.service_packages import RequestStatus
from portal.queries.desk_accounts import DeskAccount
from portal.queries.desk_support import get_service_to_handle, list_desk_services
from portal.services.service_requests import answer_request
from portal.web.access import requires
from portal.web.desk.paging import LIST_PAGE, after_instant, cut
from portal.web.desk.serving import acting_staff, desk_account, served_by
from portal.web.desk.support.forms import AnswerForm
from portal.web.desk.support.views import done_sentence, package_name, words_open_to
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import parts, read_connection, stop_reading

__all__ = ["add_to"]

_STATES = ("open", "closed")


def add_to(blueprint: Blueprint) -> None:
    """Register the routes of this module."""
    one = "/accounts/<int:account_id>/support/packages/<int:service_id>"
    blueprint.add_url_rule("/support/packages", "packages", packages)
    blueprint.add_url_rule(one, "package", package)
    blueprint.add_url_rule(f"{one}/answer", "answer_package", answer, methods=["POST"])


@requires(StaffPermission.SERVE)
def packages() -> ResponseReturnValue:
    """What is not delivered yet, the longest waiting first; or what is finished, the latest first."""
    state = request.args.get("state", "open")
    if state not in _STATES:
        abort(404)
    rows = list_desk_services(
        read_connection(), served_by(), are_closed=state == "closed", behind=after_instant(),
        limit=LIST_PAGE + 1,
    )  # fmt: skip
    shown, following = cut(rows, lambda row: f"{row.at.isoformat()}~{row.id}")
    return respond(
        "desk/support/packages.html",
        "desk/support/_packages.html",
        rows=[(package_name(row.package_key), row) for row in shown],
        following=following,
        state=state,
        now=parts().clock.now(),
    )


@requires(StaffPermission.SERVE)
def package(account_id: int, service_id: int) -> ResponseReturnValue:
    """Who asked for what, how far it is, and what can be said about it."""
    return _page(desk_account(account_id), service_id, 200)


@requires(StaffPermission.SERVE)
def answer(account_id: int, service_id: int) -> ResponseReturnValue:
    """Confirm, decline, or note that it is delivered; who asked is told by mail."""
    account, form, word = desk_account(account_id), AnswerForm(), request.form.get("word", "")
    if get_service_to_handle(read_connection(), account_id, service_id) is None:
        abort(404)
    if word not in (RequestStatus.CONFIRMED, RequestStatus.DONE, RequestStatus.DECLINED):
        return _page(account, service_id, 422, form, DomainError("request_moved_on"))
    is_valid = form.validate()
    if word == RequestStatus.DECLINED and is_valid and not form.answer.data:
        form.problem("answer", error_sentence(DomainError("reason_missing")))
        is_valid = False
    if not is_valid:
        return _page(account, service_id, 422, form)
    stop_reading()
    try:
        with transaction() as session:
            answer_request(
                session, service_id, word, form.answer.data or "", catalogue=parts().catalogue,
                actor=acting_staff(), now=parts().clock.now(),
            )  # fmt: skip
    except DomainError as error:
        return _page(desk_account(account_id), service_id, 422, form, error)
    flash(done_sentence(RequestStatus(word)), "good")
    return see_other(url_for("desk_support.package", account_id=account_id, service_id=service_id))


def _page(
    account: DeskAccount, service_id: int, status: int, form: AnswerForm | None = None,
    problem: DomainError | None = None,
) -> ResponseReturnValue:  # fmt: skip
    row = get_service_to_handle(read_connection(), account.id, service_id)
    if row is None:
        abort(404)
    return respond(
        "desk/support/package.html",
        None,
        status,
        account=account,
        asked=row,
        name=package_name(row.package_key),
        words=words_open_to(row.status),
        form=form or AnswerForm(formdata=None),
        problem=error_sentence(problem) if problem is not None else None,
    )
