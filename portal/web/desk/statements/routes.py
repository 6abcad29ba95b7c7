"""/desk/statements: bank statements are imported, reviewed, and booked entry by entry."""

from __future__ import annotations

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from wtforms import FileField

from portal import formats
from portal.bank.camt053 import MAXIMUM_BYTES, read_statements
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.permissions import StaffPermission
from portal.queries.bank_statements import (
    EntryRow,
    StatementRow,
    count_waiting,
    get_entry,
    get_statement,
    list_entries,
    list_statements,
    list_waiting,
)
from portal.queries.desk_accounts import get_desk_account
from portal.queries.transfers_to_match import find_candidate, list_candidates
from portal.services.statement_import import Imported, import_statements, put_back
from portal.web.access import requires
from portal.web.desk.serving import acting_staff, reader, served_by
from portal.web.desk.statements.booking import Outcome, carry_out
from portal.web.desk.statements.views import (
    EntryView,
    Option,
    balance_option,
    entry_views,
    option_for,
)
from portal.web.forms import PortalForm
from portal.web.large_files import accepts_files_up_to
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import parts, read_connection, stop_reading

__all__ = ["blueprint"]

blueprint = Blueprint("desk_statements", __name__, url_prefix="/desk/statements")

_PAGE = 25
_MOST_TOLD = 5
_HIGHEST = 2**62


class StatementForm(PortalForm):
    """The file of the bank."""

    file = FileField(_l("CAMT.053 file"))


@blueprint.get("")
@requires(StaffPermission.SERVE)
def index() -> ResponseReturnValue:
    """The imports, the latest first, and what waits; an account executive sees their own imports."""
    connection = read_connection()
    before = _number("before", _HIGHEST)
    rows = list_statements(connection, reader(), before=before, limit=_PAGE + 1)
    following = rows[_PAGE - 1].id if len(rows) > _PAGE else None
    return respond("desk/statements/index.html", statements=rows[:_PAGE], following=following,
                   is_first="before" not in request.args,
                   waiting=count_waiting(connection, reader()))  # fmt: skip


@blueprint.route("/new", methods=["GET", "POST"])
@requires(StaffPermission.SERVE)
@accepts_files_up_to(MAXIMUM_BYTES + 500_000)
def upload() -> ResponseReturnValue:
    """Choose a file; its entries are kept, and nothing is booked."""
    form, status = StatementForm(), 200
    if request.method == "POST":
        status = 422
        sent = request.files.get("file")
        try:
            if sent is None or not sent.filename:
                raise DomainError("statement_no_file")
            statements = read_statements(sent.stream.read(MAXIMUM_BYTES + 1))
            stop_reading()
            with transaction() as session:
                imported = import_statements(
                    session, statements, file_name=sent.filename, catalogue=parts().catalogue,
                    actor=acting_staff(), now=parts().clock.now(),
                )  # fmt: skip
            return _onwards(imported)
        except DomainError as error:
            form.problem("file", error_sentence(error))
    return respond("desk/statements/upload.html", None, status, form=form,
                   megabytes=MAXIMUM_BYTES // 1024 // 1024)  # fmt: skip


def _onwards(imported: tuple[Imported, ...]) -> ResponseReturnValue:
    """To the review of what is new, or back with the word that there was nothing."""
    fresh, known = sum(one.entries for one in imported), sum(one.known for one in imported)
    kept = [one.statement_id for one in imported if one.statement_id is not None]
    if not kept:
        flash(_("Every entry of this file was imported before. Nothing was changed."), "info")
        return see_other(url_for("desk_statements.index"))
    said = ngettext("%(num)s entry is imported.", "%(num)s entries are imported.", fresh)
    if known:
        said += " " + ngettext(
            "%(num)s was imported before and is left as it is.",
            "%(num)s were imported before and are left as they are.",
            known,
        )
    flash(said, "good")
    if len(kept) == 1:
        return see_other(url_for("desk_statements.show", statement_id=kept[0]))
    return see_other(url_for("desk_statements.index"))


@blueprint.get("/<int:statement_id>")
@requires(StaffPermission.SERVE)
def show(statement_id: int) -> ResponseReturnValue:
    """The entries with what is proposed for each; nothing is booked before somebody says so."""
    statement = _statement(statement_id)
    which = request.args.get("show", "waiting")
    if which not in ("waiting", "all"):
        abort(404)
    after = _number("after", 0)
    rows = list_entries(read_connection(), statement_id, reader(), which=which, after=after,
                        limit=_PAGE + 1)  # fmt: skip
    shown = rows[:_PAGE]
    return respond(
        "desk/statements/show.html",
        statement=statement,
        views=_proposed(shown),
        which=which,
        following=shown[-1].id if len(rows) > _PAGE else None,
        is_first=not after,
    )


@blueprint.post("/<int:statement_id>/book")
@requires(StaffPermission.SERVE)
def book(statement_id: int) -> ResponseReturnValue:
    """Do what was chosen for the entries of the page; what is left open stays so."""
    _statement(statement_id)
    _tell(
        carry_out([(row, value) for row, value in _choices() if row.statement_id == statement_id])
    )
    return see_other(url_for("desk_statements.show", statement_id=statement_id))


@blueprint.get("/waiting")
@requires(StaffPermission.SERVE)
def waiting() -> ResponseReturnValue:
    """What waits for the person at the desk, also of statements that somebody else imported."""
    connection, after = read_connection(), _number("after", 0)
    rows = list_waiting(connection, reader(), after=after, limit=_PAGE + 1)
    shown = rows[:_PAGE]
    return respond(
        "desk/statements/waiting.html",
        views=_proposed(shown),
        following=shown[-1].id if len(rows) > _PAGE else None,
        is_first=not after,
    )


@blueprint.post("/waiting/book")
@requires(StaffPermission.SERVE)
def book_waiting() -> ResponseReturnValue:
    """Do what was chosen for the entries of the page, whichever statements they are of."""
    _tell(carry_out(_choices()))
    return see_other(url_for("desk_statements.waiting"))


@blueprint.get("/entries/<int:entry_id>")
@requires(StaffPermission.SERVE)
def entry(entry_id: int) -> ResponseReturnValue:
    """One entry, and the invoice or customer that somebody looks for."""
    row = _entry(entry_id)
    typed = request.args.get("q", "").strip()[:60]
    connection = read_connection()
    candidates = list_candidates(connection, [row.entry], served_by())
    view = entry_views([row], candidates)[0]
    options, sought = list(view.options), ""
    if typed and row.status == "waiting":
        found = _sought(row, typed)
        sought = "" if found else _("No invoice and no customer of yours has this number.")
        options = found
    return respond("desk/statements/entry.html", view=view, options=options, typed=typed,
                   sought=sought,
                   statement=get_statement(connection, row.statement_id, reader()))  # fmt: skip


@blueprint.post("/entries/<int:entry_id>/book")
@requires(StaffPermission.SERVE)
def book_entry(entry_id: int) -> ResponseReturnValue:
    """Book one entry as chosen, set it aside, or let it wait again."""
    row, value = _entry(entry_id), request.form.get("target", "")[:200]
    is_own = get_statement(read_connection(), row.statement_id, reader()) is not None
    if value == "back":
        stop_reading()
        try:
            with transaction() as session:
                put_back(session, entry_id)
            flash(_("The entry waits again."), "good")
        except DomainError as error:
            flash(error_sentence(error), "bad")
        return see_other(url_for("desk_statements.entry", entry_id=entry_id))
    outcome = carry_out([(row, value)])
    _tell(outcome)
    if outcome.wrong:
        return see_other(url_for("desk_statements.entry", entry_id=entry_id))
    if not is_own:
        return see_other(url_for("desk_statements.waiting"))
    return see_other(url_for("desk_statements.show", statement_id=row.statement_id))


def _proposed(rows: list[EntryRow]) -> list[EntryView]:
    """The entries with what is proposed for those that wait."""
    waiting = [row.entry for row in rows if row.status == "waiting"]
    candidates = list_candidates(read_connection(), waiting, served_by()) if waiting else []
    return entry_views(rows, candidates)


def _choices() -> list[tuple[EntryRow, str]]:
    """What the review's form says of each entry that the person may see."""
    typed = []
    for name, value in request.form.items():
        key = name.removeprefix("entry_")
        if name.startswith("entry_") and value and key.isascii() and key.isdigit():
            typed.append((int(key[:18]), value[:200]))
    rows = [(get_entry(read_connection(), key, reader()), value) for key, value in typed[:_PAGE]]
    return [(row, value) for row, value in rows if row is not None]


def _sought(row: EntryRow, typed: str) -> list[Option]:
    """What was typed: an invoice by number or reference, or a customer by its number."""
    connection = read_connection()
    found = find_candidate(connection, typed, served_by())
    if found is not None:
        option = option_for(found, found.invoice.open, row, chosen=True)
        if option is not None:
            return [option]
        key, name, currency = found.account_id, found.account_name, found.invoice.open.currency
    elif typed.isascii() and typed.isdigit() and len(typed) < 16:
        account = get_desk_account(connection, int(typed), served_by())
        if account is None:
            return []
        key, name, currency = account.id, account.name, account.currency
    else:
        return []
    if currency != row.entry.amount.currency:
        return []
    return [balance_option(key, name, chosen=True)]


def _tell(outcome: Outcome) -> None:
    if outcome.booked:
        sums = ", ".join(
            formats.format_money(amount, speech().locale) for amount in outcome.sums.values()
        )
        flash(
            ngettext("%(num)s payment is booked: %(sum)s.", "%(num)s payments are booked: %(sum)s.",
                     outcome.booked, sum=sums),
            "good",
        )  # fmt: skip
    if outcome.aside:
        flash(ngettext("%(num)s entry is set aside.", "%(num)s entries are set aside.",
                       outcome.aside), "good")  # fmt: skip
    for row, why in outcome.wrong[:_MOST_TOLD]:
        amount = formats.format_money(row.entry.amount, speech().locale)
        flash(_("%(amount)s from %(payer)s is not booked. %(why)s", amount=amount,
                payer=row.entry.payer_name or row.entry.payer_iban or "?", why=why), "bad")  # fmt: skip
    more = len(outcome.wrong) - _MOST_TOLD
    if more > 0:
        flash(ngettext("%(num)s more is not booked.", "%(num)s more are not booked.", more), "bad")
    if not (outcome.booked or outcome.aside or outcome.wrong):
        flash(_("Nothing was chosen, so nothing was booked."), "info")


def _statement(statement_id: int) -> StatementRow:
    found = get_statement(read_connection(), statement_id, reader())
    return found if found is not None else abort(404)


def _entry(entry_id: int) -> EntryRow:
    found = get_entry(read_connection(), entry_id, reader())
    return found if found is not None else abort(404)


def _number(name: str, otherwise: int) -> int:
    typed = request.args.get(name, "")
    if not typed:
        return otherwise
    if not (typed.isascii() and typed.isdigit() and len(typed) < 19):
        abort(404)
    return int(typed)
