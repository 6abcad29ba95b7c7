"""Cells of a CSV file that a spreadsheet opens without running them."""

from __future__ import annotations

__all__ = ["plain_cell", "safe_cell"]

_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(cell: str) -> str:
    """`cell`, with an apostrophe before it where a spreadsheet would take it for a formula.

    A number keeps its sign.
    """
    is_number = cell.removeprefix("-").replace(".", "", 1).isdigit()
    return f"'{cell}" if cell.startswith(_FORMULA_SIGNS) and not is_number else cell


def plain_cell(cell: str) -> str:
    """What `safe_cell` was given: without the apostrophe that it puts before a formula's sign."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA_SIGNS) else cell
