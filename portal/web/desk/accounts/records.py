"""A customer's papers and people on the desk: what the customer sees on pages of its own."""

from __future__ import annotations

from flask import Blueprint, abort, request, url_for
from flask.typing import ResponseReturnValue

from portal.documents.invoice_document import InvoiceDocument
from portal.domain.permissions import StaffPermission
from portal.domain.wallet import first_of_month
from portal.queries.credit_notes import get_credit_note, list_credit_notes_of_invoice
from portal.queries.desk_accounts import DeskAccount
from portal.queries.invoices import get_invoice, list_invoices
from portal.queries.members import (
    MemberFilter,
    count_members,
    list_licences_of,
    list_members,
)
from portal.queries.quotes import list_quotes
from portal.queries.subscriptions import list_subscription_states
from portal.queries.wallet import EntryFilter, get_wallet, list_entries
from portal.web.access import requires
from portal.web.activity.reading import read_activity
from portal.web.desk.paging import page_number
from portal.web.desk.serving import desk_account, may
from portal.web.invoices.documents import document_words, pdf_of
from portal.web.locale import speech
from portal.web.members.views import labels_of
from portal.web.pages import respond
from portal.web.signed_in import parts, read_connection
from portal.web.wallet.views import entry_views

__all__ = ["add_to"]

_PAGE = 25
_LONGEST_SEARCH = 100


def add_to(blueprint: Blueprint) -> None:
    """Add the routes of the papers and people to the area."""
    for path, name, view in (
        ("invoices", "invoices", invoices),
        ("invoices/<number>", "invoice", invoice),
        ("invoices/<number>.pdf", "invoice_pdf", invoice_pdf),
        ("invoices/credit-notes/<credit_note>", "credit_note", credit_note),
        ("invoices/credit-notes/<credit_note>.pdf", "credit_note_pdf", credit_note_pdf),
        ("quotes", "quotes", quotes),
        ("members", "members", members),
        ("wallet", "wallet", wallet),
        ("activity", "activity", activity),
    ):
        blueprint.add_url_rule(f"/<int:account_id>/{path}", name, view, methods=["GET"])


@requires(StaffPermission.SERVE)
def invoices(account_id: int) -> ResponseReturnValue:
    """The customer's invoices and credit notes, the latest first."""
    account, page = desk_account(account_id), page_number()
    rows = list_invoices(
        read_connection(), account_id, year=None, limit=_PAGE + 1, offset=(page - 1) * _PAGE
    )
    if page > 1 and not rows:
        abort(404)
    return respond(
        "desk/accounts/invoices.html",
        account=account,
        invoices=rows[:_PAGE],
        has_more=len(rows) > _PAGE,
        page=page,
        today=parts().clock.today(parts().catalogue.vendor.time_zone),
    )


@requires(StaffPermission.SERVE)
def invoice(account_id: int, number: str) -> ResponseReturnValue:
    """One invoice with all its lines, as the customer sees it."""
    account = desk_account(account_id)
    document = _invoice(account, number)
    notes = list_credit_notes_of_invoice(read_connection(), account_id, document.id)
    return respond("desk/accounts/invoice.html", account=account, notes=notes,
                   may_credit=may(StaffPermission.CREDIT), **document_words(document))  # fmt: skip


@requires(StaffPermission.SERVE)
def invoice_pdf(account_id: int, number: str) -> ResponseReturnValue:
    """The PDF that the customer has."""
    return pdf_of(_invoice(desk_account(account_id), number))


@requires(StaffPermission.SERVE)
def credit_note(account_id: int, credit_note: str) -> ResponseReturnValue:
    """One credit note."""
    account = desk_account(account_id)
    document = _credit_note(account, credit_note)
    return respond("desk/accounts/invoice.html", account=account, notes=(),
                   **document_words(document))  # fmt: skip


@requires(StaffPermission.SERVE)
def credit_note_pdf(account_id: int, credit_note: str) -> ResponseReturnValue:
    """The PDF that the customer has."""
    return pdf_of(_credit_note(desk_account(account_id), credit_note))


@requires(StaffPermission.SERVE)
def quotes(account_id: int) -> ResponseReturnValue:
    """The customer's quotes, those that the desk made too."""
    account, page = desk_account(account_id), page_number()
    rows = list_quotes(
        read_connection(), account_id, parts().clock.today(account.time_zone),
        limit=_PAGE + 1, offset=(page - 1) * _PAGE,
    )  # fmt: skip
    if page > 1 and not rows:
        abort(404)
    return respond("desk/accounts/quotes.html", account=account, quotes=rows[:_PAGE], page=page,
                   has_more=len(rows) > _PAGE)  # fmt: skip


@requires(StaffPermission.SERVE)
def members(account_id: int) -> ResponseReturnValue:
    """The customer's people with their licences."""
    account, page, connection = desk_account(account_id), page_number(), read_connection()
    typed = " ".join(request.args.get("q", "").split())[:_LONGEST_SEARCH]
    wanted = MemberFilter(text=typed)
    rows = list_members(connection, account_id, wanted, limit=_PAGE, offset=(page - 1) * _PAGE)
    if page > 1 and not rows:
        abort(404)
    found = sum(count_members(connection, account_id, wanted).values())
    states = list_subscription_states(connection, account_id)
    return respond(
        "desk/accounts/members.html",
        account=account,
        rows=rows,
        held=list_licences_of(connection, account_id, [row.member_id for row in rows]),
        labels=labels_of(states, parts().catalogue, speech().locale),
        typed=typed,
        found=found,
        page=page,
        has_more=page * _PAGE < found,
    )


@requires(StaffPermission.SERVE)
def wallet(account_id: int) -> ResponseReturnValue:
    """The customer's credits: what there is, how it is topped up, every entry."""
    account, page, connection = desk_account(account_id), page_number(), read_connection()
    month = first_of_month(parts().clock.today(account.time_zone))
    _buying, row = get_wallet(connection, account_id, month)
    entries = list_entries(
        connection, account_id, EntryFilter(), limit=_PAGE + 1, offset=(page - 1) * _PAGE
    )
    if page > 1 and not entries:
        abort(404)
    return respond(
        "desk/accounts/wallet.html",
        account=account,
        wallet=row,
        may_credit=may(StaffPermission.CREDIT),
        rows=entry_views(entries[:_PAGE], parts().catalogue, sees_money=True),
        page=page,
        has_more=len(entries) > _PAGE,
    )


@requires(StaffPermission.SERVE)
def activity(account_id: int) -> ResponseReturnValue:
    """Who did what, when, on both sides."""
    account = desk_account(account_id)
    found = read_activity(account_id, account.currency)

    def address(page: int = 1, about: str = found["group"]) -> str:
        return url_for("desk_accounts.activity", account_id=account_id,
                       page=page if page > 1 else None, about=about or None)  # fmt: skip

    return respond("desk/accounts/activity.html", "activity/_list.html", account=account, **found,
                   address=address)  # fmt: skip


def _invoice(account: DeskAccount, number: str) -> InvoiceDocument:
    zone = parts().catalogue.vendor.time_zone
    found = get_invoice(read_connection(), account.id, number, zone)
    return found if found is not None else abort(404)


def _credit_note(account: DeskAccount, number: str) -> InvoiceDocument:
    found = get_credit_note(read_connection(), account.id, number)
    return found if found is not None else abort(404)
