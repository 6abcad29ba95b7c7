"""Cells of a CSV file that a spreadsheet opens without running them."""

from __future__ import annotations

__all__ = ["safe_cell"]

_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(cell: str) -> str:
    """`cell`, with an apostrophe before it where a spreadsheet would take it for a formula.

    A number keeps its sign.
    """
    is_number = cell.removeprefix("-").replace(".", "", 1).isdigit()
    return f"'{cell}" if cell.startswith(_FORMULA_SIGNS) and not is_number else cell
