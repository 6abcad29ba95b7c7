"""/wallet/history: every entry with the balance after it, narrowed by kind and month; as CSV too."""

from __future__ import annotations

import csv
from codecs import getwriter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.domain.credit_use import last_months, month_begins
from portal.domain.csv_cells import safe_cell
from portal.domain.periods import local_date
from portal.domain.permissions import Permission, is_allowed
from portal.domain.wallet import first_of_month, first_of_next_month
from portal.formats import format_month
from portal.queries.wallet import (
    EntryFilter,
    WalletRow,
    get_wallet,
    iter_entries,
    list_entries,
)
from portal.web.access import requires
from portal.web.locale import speech
from portal.web.pages import respond
from portal.web.signed_in import account, parts, read_connection, signed_in
from portal.web.wallet.views import EntryView, entry_views, usage_name

__all__ = ["PAGE", "add_to"]

PAGE = 30
_LAST_PAGE = 10_000
_MOST_MONTHS = 60  # offered in the list; a longer past is in the file
_IN_MEMORY = 1_000_000  # bytes; a longer file is on disk while it is sent
_USED = "used:"


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The filters of the address: `kind` is empty, added, used or used:KEY; `month` its first day."""

    kind: str
    month: date | None

    @property
    def query(self) -> dict[str, Any]:
        """The same filters for another address."""
        found: dict[str, Any] = {
            "kind": self.kind,
            "month": f"{self.month:%Y-%m}" if self.month else "",
        }
        return {name: value for name, value in found.items() if value}

    def filter(self, time_zone: str) -> EntryFilter:
        """As the statement takes them: a month is a local one."""
        what, _colon, usage = self.kind.partition(":")
        if self.month is None:
            return EntryFilter(what, usage)
        following = first_of_next_month(self.month)
        return EntryFilter(
            what, usage, month_begins(self.month, time_zone), month_begins(following, time_zone)
        )


def add_to(blueprint: Blueprint) -> None:
    """Add the routes to the area."""
    blueprint.add_url_rule("/history", "history", history, methods=["GET"])
    blueprint.add_url_rule("/history.csv", "history_file", history_file, methods=["GET"])


@requires(Permission.SEE_WALLET)
def history() -> ResponseReturnValue:
    """The entries, the latest first."""
    who, connection = account(), read_connection()
    chosen, page = _chosen(), _page()
    today = parts().clock.today(who.time_zone)
    _terms, wallet = get_wallet(connection, who.id, first_of_month(today))
    wanted = chosen.filter(who.time_zone)
    rows = list_entries(connection, who.id, wanted, limit=PAGE + 1, offset=(page - 1) * PAGE)
    if page > 1 and not rows:
        abort(404)

    def address(number: int) -> str:
        return url_for("wallet.history", page=number if number > 1 else None, **chosen.query)

    return respond(
        "wallet/history.html",
        "wallet/_history.html",
        wallet=wallet,
        rows=list(entry_views(rows[:PAGE], parts().catalogue, sees_money=_sees_money())),
        has_more=len(rows) > PAGE,
        page=page,
        page_url=address,
        chosen=chosen,
        kinds=_kinds(chosen.kind),
        months=_months(wallet, today, who.time_zone, chosen.month),
        file_url=url_for("wallet.history_file", **chosen.query),
    )


@requires(Permission.SEE_WALLET)
def history_file() -> ResponseReturnValue:
    """What the filters leave, all of it, as CSV."""
    who, catalogue, sees_money = account(), parts().catalogue, _sees_money()
    chosen = _chosen()
    rows = iter_entries(read_connection(), who.id, chosen.filter(who.time_zone))
    entries = entry_views(rows, catalogue, sees_money=sees_money)
    file = _written(entries, ZoneInfo(who.time_zone))
    return send_file(file, mimetype="text/csv", as_attachment=True, download_name="wallet.csv")


def _written(entries: Iterable[EntryView], zone: ZoneInfo) -> IO[bytes]:
    file: IO[bytes] = SpooledTemporaryFile(max_size=_IN_MEMORY, prefix="wallet-")  # noqa: SIM115
    # With the mark spreadsheets know that it is UTF-8.
    text = getwriter("utf-8-sig")(file)
    rows = csv.writer(text)
    rows.writerow([
        _("Date and time"), _("What"), _("Credits"), _("Balance"), _("Invoice"), _("Note"), _("By"),
    ])  # fmt: skip
    for entry in entries:
        rows.writerow(_cells(entry, zone))
    file.seek(0)
    return file


def _cells(entry: EntryView, zone: ZoneInfo) -> tuple[str | int, ...]:
    return (
        _local_time(entry.at, zone),
        safe_cell(entry.words.replace("\N{NO-BREAK SPACE}", " ")),  # as one looks for it
        entry.change,
        entry.balance_after,
        entry.invoice or "",
        safe_cell(entry.note),
        safe_cell(entry.by or ""),
    )


def _local_time(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def _chosen() -> _Chosen:
    kind, month = request.args.get("kind", ""), request.args.get("month", "")
    known = {"", "added", "used", *(f"{_USED}{use.key}" for use in parts().catalogue.usage_prices)}
    if kind not in known:
        abort(404)
    if not month:
        return _Chosen(kind, None)
    try:
        first_day = date.fromisoformat(f"{month}-01")
    except ValueError:
        abort(404)
    return _Chosen(kind, first_day) if 1970 <= first_day.year < 9999 else abort(404)


def _page() -> int:
    text = request.args.get("page", "1")
    page = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    return page if 1 <= page <= _LAST_PAGE else abort(404)


def _kinds(chosen: str) -> list[tuple[str, str, bool]]:
    """What the entries can be narrowed to: value, words, chosen."""
    catalogue = parts().catalogue
    offered = [
        ("", _("Everything")),
        ("added", _("Credits added")),
        ("used", _("Credits used")),
        *((f"{_USED}{use.key}", usage_name(catalogue, use.key)) for use in catalogue.usage_prices),
    ]
    return [(value, words, value == chosen) for value, words in offered]


def _months(
    wallet: WalletRow, today: date, time_zone: str, chosen: date | None
) -> list[tuple[str, str, bool]]:
    """The months in which something can have happened, the latest first: value, words, chosen."""
    since = today if wallet.first_entry_at is None else local_date(wallet.first_entry_at, time_zone)
    count = (today.year - since.year) * 12 + today.month - since.month + 1
    months = list(reversed(last_months(today, min(max(count, 1), _MOST_MONTHS))))
    if chosen is not None and chosen not in months:
        months.append(chosen)
    locale = speech().locale
    return [(f"{m:%Y-%m}", format_month(m, locale), m == chosen) for m in months]


def _sees_money() -> bool:
    who = signed_in()
    assert who is not None and who.role is not None and who.member_status is not None
    return is_allowed(who.role, who.member_status, Permission.SEE_MONEY)
