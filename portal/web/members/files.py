"""Members as a CSV file: export, template, and import with a preview of what it would change.

Between preview and confirmation the file travels in the form, packed: no web process keeps
anything. What is confirmed is read and planned again, and done only if it is the plan on screen.
"""

from __future__ import annotations

import csv
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from io import StringIO
from zlib import compress, decompressobj
from zlib import error as NotPacked  # noqa: N812 - zlib's name says nothing here

from flask import Blueprint, Response, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import ngettext

from portal.db import transaction
from portal.domain.csv_cells import safe_cell
from portal.domain.errors import DomainError
from portal.domain.member_file import (
    COLUMNS,
    MOST_BYTES,
    MOST_ROWS,
    decode_member_file,
    licence_columns,
)
from portal.domain.member_import import ImportPlan
from portal.domain.periods import local_date
from portal.domain.permissions import Permission
from portal.domain.subscriptions import SubscriptionState
from portal.queries.members import ExportRow, list_export_rows
from portal.queries.subscriptions import list_subscription_states
from portal.services.member_import import import_members, preview_import
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.locale import speech
from portal.web.members.forms import ConfirmForm, FileForm
from portal.web.members.views import labels_of, listed_problems, listed_steps
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import account, parts, read_connection, stop_reading

__all__ = ["add_to"]

_MOST_SHOWN = 200
_BOM = "\ufeff"  # with it spreadsheets know that it is UTF-8
_ROWS_AT_ONCE = 500


@requires(Permission.BUY)
def export() -> ResponseReturnValue:
    """Everyone with role, status and licences; the file can be imported again."""
    who = account()
    columns = licence_columns(_states())
    rows = list_export_rows(read_connection(), who.id)
    return _csv_file(_export_lines(rows, columns, who.time_zone), "members.csv")


@requires(Permission.MANAGE_MEMBERS)
def template() -> ResponseReturnValue:
    """A file with the columns and nobody in it."""
    lines = iter([[*COLUMNS, *licence_columns(_states())]])
    return _csv_file(lines, "members-template.csv")


def _csv_file(lines: Iterator[Sequence[str]], name: str) -> Response:
    response = Response(_written(lines), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _written(lines: Iterator[Sequence[str]]) -> Iterator[bytes]:
    """The file in pieces, so that a long one is never whole in memory."""
    buffer = StringIO()
    buffer.write(_BOM)
    writer = csv.writer(buffer)
    for count, line in enumerate(lines, 1):
        writer.writerow([safe_cell(cell) for cell in line])
        if count % _ROWS_AT_ONCE == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: StringIO) -> bytes:
    piece = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return piece


def _export_lines(
    rows: Sequence[ExportRow], columns: Mapping[str, int], time_zone: str
) -> Iterator[list[str]]:
    yield [*COLUMNS, *columns]
    for row in rows:
        licences = ["yes" if item in row.items else "no" for item in columns.values()]
        since = local_date(row.since, time_zone).isoformat()
        yield [row.email, row.name, row.role, row.status, row.locale, since, *licences]


@requires(Permission.MANAGE_MEMBERS)
def upload() -> ResponseReturnValue:
    """Choose a file; then see what it would change. Nothing is written."""
    form = FileForm()
    status = 200
    if request.method == "POST":
        status = 422
        sent = request.files.get("file")
        try:
            if sent is None or not sent.filename:
                raise DomainError("import_no_file")
            text = decode_member_file(sent.stream.read(MOST_BYTES + 1))
            return _preview(text)
        except DomainError as error:
            form.problem("file", error_sentence(error))
    states = _states()
    return respond(
        "members/import.html",
        None,
        status,
        form=form,
        columns=_named_columns(states),
        most_rows=MOST_ROWS,
        kilobytes=MOST_BYTES // 1000,
    )


def _preview(text: str, *, changed: bool = False) -> Response:
    """What the file would change, with the button that does it where nothing is wrong.

    `changed` says that it was another plan when it was shown before.
    """
    plan = preview_import(read_connection(), account().id, text, _today())
    return respond(
        "members/import_preview.html",
        None,
        422 if plan.problems or changed else 200,
        plan=plan,
        steps=listed_steps(plan, _labels(), _MOST_SHOWN),
        problems=listed_problems(plan, _MOST_SHOWN),
        content=_pack(text) if plan.steps and not plan.problems else "",
        changed=changed,
    )


@requires(Permission.MANAGE_MEMBERS)
def confirm() -> ResponseReturnValue:
    """Import what the preview showed; if it would be something else by now, show that instead."""
    form = ConfirmForm()
    text = _unpack(form.content.data or "") if form.validate() else None
    if text is None:
        flash(error_sentence(DomainError("import_no_file")), "bad")
        return see_other(url_for("members.upload"))
    stop_reading()
    try:
        with transaction() as session:
            plan = import_members(session, account().id, text, form.plan.data or "",
                                  catalogue=parts().catalogue, actor=acting_person(),
                                  now=parts().clock.now())  # fmt: skip
    except DomainError as error:
        if error.code == "import_changed":
            return _preview(text, changed=True)
        flash(error_sentence(error), "bad")
        return see_other(url_for("members.upload"))
    flash(_imported(plan), "good")
    return see_other(url_for("members.index"))


def _imported(plan: ImportPlan) -> str:
    return ngettext("The file is imported: %(num)s person was changed.",
                    "The file is imported: %(num)s people were changed.",
                    len(plan.steps))  # fmt: skip


def _pack(text: str) -> str:
    return urlsafe_b64encode(compress(text.encode(), 9)).decode("ascii")


def _unpack(packed: str) -> str | None:
    """What `_pack` packed; None for anything else, and never more than a file may have."""
    try:
        unpacker = decompressobj()
        data = unpacker.decompress(urlsafe_b64decode(packed.encode("ascii")), MOST_BYTES * 2)
        return data.decode() if unpacker.eof else None
    except (ValueError, NotBase64, NotPacked):
        return None


def _states() -> tuple[SubscriptionState, ...]:
    return list_subscription_states(read_connection(), account().id, _today())


def _today() -> date:
    return parts().clock.today(account().time_zone)


def _labels() -> dict[int, str]:
    return labels_of(_states(), parts().catalogue, speech().locale)


def _named_columns(states: Sequence[SubscriptionState]) -> list[tuple[str, str]]:
    """Each licence column with what it stands for."""
    names = labels_of(states, parts().catalogue, speech().locale)
    return [(column, names[item_id]) for column, item_id in licence_columns(states).items()]


def add_to(blueprint: Blueprint) -> None:
    """Register the routes of this module."""
    blueprint.add_url_rule("/export.csv", "export", export)
    blueprint.add_url_rule("/import", "upload", upload, methods=["GET", "POST"])
    blueprint.add_url_rule("/import/confirm", "confirm_import", confirm, methods=["POST"])
    blueprint.add_url_rule("/import/template.csv", "template", template)
