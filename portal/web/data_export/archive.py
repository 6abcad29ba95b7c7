"""The data export: a ZIP file on disk, written row by row, so that memory stays bounded.

Each file is there as CSV, for spreadsheets, and as JSON, for programs. manifest.json says what
every file holds, how many rows, and its SHA-256; README.txt says it to people.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from flask_babel import gettext as _
from sqlalchemy.engine import Connection

from portal import __version__
from portal.domain.csv_cells import safe_cell
from portal.queries.export_files import DATASETS
from portal.queries.exports import Dataset, iter_rows
from portal.queries.quotes import AccountBuying
from portal.web.data_export.words import CONTENTS

__all__ = ["pack_data"]

_COPIED_AT_ONCE = 64 * 1024


def pack_data(
    connection: Connection, account: AccountBuying, name: str, brand: str, now: datetime
) -> IO[bytes]:
    """The archive of the account called `name`, open at its beginning; gone when it is closed.

    `connection` sees one moment (`portal.db.snapshot`), so the files fit together.
    """
    made_at = now.astimezone(UTC)
    file = TemporaryFile(prefix="data-export-")  # noqa: SIM115 - the response closes it
    files: list[dict[str, Any]] = []
    with ZipFile(file, "w") as archive:
        for dataset in DATASETS:
            files += _add(archive, connection, dataset, account.account_id, made_at)
        _add_text(archive, "README.txt", _readme(files, name, brand, made_at), made_at)
        manifest = {
            "portal_version": __version__,
            "made_at": made_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "account": {"name": name, **_account(account)},
            "files": files,
        }
        text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
        _add_text(archive, "manifest.json", text, made_at)
    file.seek(0)
    return file


def _account(account: AccountBuying) -> dict[str, Any]:
    """The account's own details; who serves it at the vendor is not the customer's data."""
    return {
        key: value
        for key, value in asdict(account).items()
        if key != "account_id" and not key.startswith("executive_")
    }


def _add(
    archive: ZipFile, connection: Connection, dataset: Dataset, account_id: int, made_at: datetime
) -> list[dict[str, Any]]:
    """A dataset as CSV and JSON, read once: the JSON waits on disk until the CSV is closed."""
    columns = dataset.file_columns
    names = [column.name for column in columns]
    rows = 0
    with TemporaryFile(prefix="data-export-") as waiting:
        json_file = _Hashed(waiting)
        with archive.open(_entry(f"{dataset.name}.csv", made_at), "w") as entry:
            csv_file = _Hashed(entry)
            # With the mark spreadsheets know that it is UTF-8.
            csv_file.write("\ufeff")
            cells = io.StringIO()
            writer = csv.writer(cells)
            writer.writerow(names)
            json_file.write("[")
            for row in iter_rows(connection, dataset, account_id):
                writer.writerow([_cell(value) for value in row])
                json_file.write(",\n" if rows else "\n")
                json_file.write(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False))
                rows += 1
                if cells.tell() > _COPIED_AT_ONCE:
                    csv_file.write(_taken(cells))
            csv_file.write(_taken(cells))
            json_file.write("\n]\n" if rows else "]\n")
        waiting.seek(0)
        with archive.open(_entry(f"{dataset.name}.json", made_at), "w") as entry:
            copyfileobj(waiting, entry, _COPIED_AT_ONCE)
    about = {"rows": rows, "columns": [asdict(column) for column in columns]}
    return [
        {"name": f"{dataset.name}.csv", "sha256": csv_file.digest, **about},
        {"name": f"{dataset.name}.json", "sha256": json_file.digest, **about},
    ]


class _Hashed:
    """Text on its way into a file as UTF-8, with the SHA-256 of all that was written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, text: str) -> None:
        """Write `text`."""
        data = text.encode("utf-8")
        self._hash.update(data)
        self._file.write(data)

    @property
    def digest(self) -> str:
        """The SHA-256 so far, in hex."""
        return self._hash.hexdigest()


def _taken(cells: io.StringIO) -> str:
    """What was written to `cells`, which is empty afterwards."""
    text = cells.getvalue()
    cells.seek(0)
    cells.truncate()
    return text


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False)
    return safe_cell(str(value))


def _entry(name: str, made_at: datetime) -> ZipInfo:
    entry = ZipInfo(name, made_at.timetuple()[:6])
    entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o644 << 16
    return entry


def _add_text(archive: ZipFile, name: str, text: str, made_at: datetime) -> None:
    archive.writestr(_entry(name, made_at), text.encode("utf-8"))


def _readme(files: Iterable[Mapping[str, Any]], name: str, brand: str, made_at: datetime) -> str:
    """What people need to know, in the language of who downloads it."""
    rows = {file["name"].rpartition(".")[0]: file["rows"] for file in files}
    lines = [
        _("The data of %(account)s in %(brand)s", account=name, brand=brand),
        _("Made on %(instant)s (UTC)", instant=f"{made_at:%Y-%m-%d %H:%M}"),
        "",
        _("Each file is there twice: .csv for spreadsheets, .json for programs."),
        "",
        *(f"{key:<16} {rows[key]:>8}  {CONTENTS[key]}" for key in rows),
        "",
        _("Every amount is given twice: in minor units (cents) and, as text, in the currency."),
        _("Instants are UTC in ISO 8601; days are the local days of your company."),
        _(
            "In the CSV files, text that a spreadsheet would take for a formula begins with an"
            " apostrophe."
        ),
        _("manifest.json explains every column and holds the SHA-256 of each file."),
        _("Invoices as PDF are on the invoices page, a year at a time."),
    ]
    return "\r\n".join(lines) + "\r\n"
