"""Notes about a customer: for the vendor's people alone."""

from __future__ import annotations

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import TextAreaField

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.permissions import StaffPermission
from portal.queries.account_notes import list_notes
from portal.services.account_notes import add_note, remove_note
from portal.web.access import requires
from portal.web.checkout.forms import required
from portal.web.desk.paging import page_number
from portal.web.desk.serving import acting_staff, desk_account
from portal.web.forms import PortalForm
from portal.web.pages import respond, see_other
from portal.web.signed_in import parts, read_connection, stop_reading

__all__ = ["add_to"]

_PAGE = 20


class NoteForm(PortalForm):
    """A note."""

    text = TextAreaField(_l("Note"), required(_l("Enter the note.")))


def add_to(blueprint: Blueprint) -> None:
    """Add the routes of the notes to the area."""
    blueprint.add_url_rule(
        "/<int:account_id>/notes", "notes", notes, methods=["GET", "POST"]
    )  # fmt: skip
    blueprint.add_url_rule(
        "/<int:account_id>/notes/<int:note_id>/remove", "remove", remove, methods=["POST"]
    )


@requires(StaffPermission.SERVE)
def notes(account_id: int) -> ResponseReturnValue:
    """The notes, the latest first, and writing one."""
    account = desk_account(account_id)
    form, status = NoteForm(), 200
    if request.method == "POST":
        if form.validate():
            stop_reading()
            with transaction() as session:
                add_note(session, account_id, form.text.data or "", actor=acting_staff(),
                         now=parts().clock.now())  # fmt: skip
            flash(_("The note is saved."), "good")
            return see_other(url_for("desk_accounts.notes", account_id=account_id))
        status = 422
    page = page_number()
    rows = list_notes(read_connection(), account_id, limit=_PAGE + 1, offset=(page - 1) * _PAGE)
    if page > 1 and not rows:
        abort(404)
    return respond(
        "desk/accounts/notes.html", None, status, account=account, form=form, notes=rows[:_PAGE],
        page=page, has_more=len(rows) > _PAGE,
    )  # fmt: skip


@requires(StaffPermission.SERVE)
def remove(account_id: int, note_id: int) -> ResponseReturnValue:
    """Take a note away."""
    desk_account(account_id)
    stop_reading()
    try:
        with transaction() as session:
            remove_note(session, account_id, note_id, actor=acting_staff(),
                        now=parts().clock.now())  # fmt: skip
    except DomainError:
        abort(404)
    flash(_("The note is removed."), "good")
    return see_other(url_for("desk_accounts.notes", account_id=account_id))
