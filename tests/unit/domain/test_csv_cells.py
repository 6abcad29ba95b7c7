"""Cells that no spreadsheet runs, and that come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.csv_cells import plain_cell, safe_cell


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_what_a_spreadsheet_would_run_is_text(sign: str) -> None:
    assert safe_cell(f"{sign}cmd|' /C calc'!A0") == f"'{sign}cmd|' /C calc'!A0"


@pytest.mark.parametrize("cell", ["-12.50", "-7", "3", "", "O'Neill", "'s Hertogenbosch"])
def test_numbers_and_names_stay_as_they_are(cell: str) -> None:
    assert safe_cell(cell) == cell
    assert plain_cell(cell) == cell


@given(st.text().filter(lambda text: not text.startswith("'")))
def test_a_cell_comes_back_as_it_was(cell: str) -> None:
    assert plain_cell(safe_cell(cell)) == cell
