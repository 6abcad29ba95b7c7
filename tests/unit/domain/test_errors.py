"""Domain errors carry a code and data, never prose (design, rules of the road 9)."""

from __future__ import annotations

import pytest

from portal.domain.errors import CurrencyMismatch, DomainError, Problem, Rejected


def test_an_error_is_its_code_and_data() -> None:
    error = DomainError("quantity_too_large", maximum=500)
    assert (error.code, error.data) == ("quantity_too_large", {"maximum": 500})
    assert str(error) == "quantity_too_large {'maximum': 500}"
    assert str(DomainError("quantity_empty")) == "quantity_empty"


def test_data_may_use_any_key() -> None:
    assert DomainError("some_code", code="data").data == {"code": "data"}


def test_a_currency_mismatch_names_both_currencies() -> None:
    error = CurrencyMismatch("EUR", "CHF")
    assert isinstance(error, DomainError)
    assert error.code == "currency_mismatch"
    assert error.data == {"left": "EUR", "right": "CHF"}


def test_a_rejection_holds_every_problem_in_order() -> None:
    problems = [Problem("seats", "quantity_empty"), Problem("name", "too_long", {"maximum": 80})]
    error = Rejected(iter(problems))
    assert isinstance(error, DomainError)
    assert error.code == "rejected"
    assert error.problems == tuple(problems)
    assert error.data == {"problems": error.problems}
    assert error.problems[0].data == {}


def test_a_rejection_without_a_problem_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Rejected([])
