"""What the domain says when it refuses: a code and data, never prose.

The web layer turns the code into a translated sentence and fills the data in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field

__all__ = ["CurrencyMismatch", "DomainError", "Problem", "Rejected"]


class DomainError(Exception):
    """A rule says no: `code` names the reason, `data` holds the values its sentence needs."""

    def __init__(self, code: str, /, **data: object) -> None:
        super().__init__(code)
        self.code: str = code
        self.data: dict[str, object] = data

    def __str__(self) -> str:
        return f"{self.code} {self.data}" if self.data else self.code


class CurrencyMismatch(DomainError):
    """Two amounts of different currencies met; code `currency_mismatch`."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__("currency_mismatch", left=left, right=right)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field of a form: a code and the data its sentence needs."""

    field: str
    code: str
    data: Mapping[str, object] = dataclass_field(default_factory=dict)


class Rejected(DomainError):
    """Several fields are wrong at once; code `rejected`, the reasons are in `problems`."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        if not self.problems:
            raise ValueError("a rejection names at least one problem")
        super().__init__("rejected", problems=self.problems)
