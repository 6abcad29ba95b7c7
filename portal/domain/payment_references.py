"""References of bank transfers that carry their own check digits.

RF (ISO 11649) everywhere, the structured communication (OGM-VCS) for Belgian customers, whose
banks have a field of its own for it. Both hold the invoice's year and sequence, so that no two
invoices share one. Stored compact; `display_reference` is what people read and type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from stdnum import iso11649
from stdnum.be import ogm_vcs
from stdnum.iso7064 import mod_97_10

from portal.domain.errors import DomainError

__all__ = ["Slip", "SlipKind", "display_reference", "find_references", "find_slip", "is_structured",
           "near_references", "reference_for", "valid_neighbours"]  # fmt: skip

_SEQUENCE_DIGITS = 8
_DIGITS = "0123456789"
_RF_LENGTH = len("RF00") + 2 + _SEQUENCE_DIGITS
_SLASH = r"\s?/\s?"
_BELGIAN = re.compile(rf"(?<!\d)\d{{3}}(?:{_SLASH}|\s)?\d{{4}}(?:{_SLASH}|\s)?\d{{5}}(?!\d)")
# Digits that a Belgian one begins with are none of an RF that stands before it.
_SLASHED = rf"[\s.-]?[0-9]{{3}}{_SLASH}[0-9]{{4}}{_SLASH}[0-9]{{5}}(?![0-9])"
_RF = re.compile(rf"RF(?!{_SLASHED})\s?[0-9]{{2}}(?:(?!{_SLASHED})[\s.-]?[0-9])+", re.IGNORECASE)


class SlipKind(StrEnum):
    """How a mistyped reference differs from the one that was meant."""

    WRONG = "wrong"
    SWAPPED = "swapped"
    ADDED = "added"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Slip:
    """A mistyped reference beside the one that was meant, and where they differ.

    `place` counts the characters of the compact form from 1; `written` and `right` are what stands
    there, '' where a character is missing or one too many.
    """

    kind: SlipKind
    typed: str
    meant: str
    place: int
    written: str
    right: str


def reference_for(year: int, sequence: int, buyer_country: str) -> str:
    """The compact reference of an invoice: 12 digits in Belgium, 'RF..' elsewhere.

    DomainError `number_too_large` above 99,999,999 invoices a year.
    """
    if sequence >= 10**_SEQUENCE_DIGITS:
        raise DomainError("number_too_large", maximum=10**_SEQUENCE_DIGITS - 1)
    digits = f"{year % 100:02d}{sequence:0{_SEQUENCE_DIGITS}d}"
    if buyer_country == "BE":
        return digits + str(ogm_vcs.calc_check_digits(digits))
    return f"RF{mod_97_10.calc_check_digits(digits + 'RF')}{digits}"


def is_structured(reference: str) -> bool:
    """Whether it is a reference of ours in compact form, with check digits that hold."""
    return bool(iso11649.is_valid(reference) or ogm_vcs.is_valid(reference))


def display_reference(reference: str) -> str:
    """'RF29 2600 0004 12', '+++260/0000/41207+++'; anything else unchanged."""
    if reference.startswith("RF") and iso11649.is_valid(reference):
        return str(iso11649.format(reference))
    if ogm_vcs.is_valid(reference):
        return f"+++{ogm_vcs.format(reference)}+++"
    return reference


def find_references(text: str) -> tuple[str, ...]:
    """The compact references, valid or not, that stand in what a payer wrote, in their order.

    Spaces, points and the Belgian signs may be there or not: people retype what they read.
    """
    found: list[tuple[int, str]] = []
    rest = text
    for start, end, reference in _rf_parts(text):
        found.append((start, reference))
        rest = rest[:start] + " " * (end - start) + rest[end:]
    for match in _BELGIAN.finditer(rest):
        found.append((match.start(), _compact(match.group())))
    return tuple(dict.fromkeys(reference for _at, reference in sorted(found)))


def near_references(reference: str, known: Iterable[str]) -> tuple[str, ...]:
    """Those of `known` that differ from a mistyped reference by one character or by two swapped."""
    return tuple(other for other in known if other != reference and _is_near(reference, other))


def find_slip(typed: str, meant: str) -> Slip | None:
    """Where a mistyped reference differs from that of `near_references`; None where it is none."""
    if typed == meant or not _is_near(typed, meant):
        return None
    same = next((at for at, (a, b) in enumerate(zip(typed, meant, strict=False)) if a != b),
                min(len(typed), len(meant)))  # fmt: skip
    kind, written, right = SlipKind.WRONG, 1, 1
    if len(typed) > len(meant):
        kind, right = SlipKind.ADDED, 0
    elif len(typed) < len(meant):
        kind, written = SlipKind.MISSING, 0
    elif typed[same + 1 :] != meant[same + 1 :]:
        kind, written, right = SlipKind.SWAPPED, 2, 2
    return Slip(kind, typed, meant, same + 1, typed[same : same + written],
                meant[same : same + right])  # fmt: skip


def valid_neighbours(reference: str) -> frozenset[str]:
    """The references with valid check digits that a mistyped one may have been meant to be.

    All that `near_references` would accept: few, as check digits hold for one in 97, so that they
    can be looked up by an index however many invoices there are.
    """
    prefix = "RF" if reference.startswith("RF") else ""
    rest = reference[len(prefix) :]
    if not rest.isdecimal():
        return frozenset()
    near = set()
    for at in range(len(rest)):
        head, tail = rest[:at], rest[at + 1 :]
        near.add(head + tail)
        near.update(head + digit + tail for digit in _DIGITS)
        near.update(head + digit + rest[at:] for digit in _DIGITS)
        near.add(head + tail[:1] + rest[at] + tail[1:])
    near.update(rest + digit for digit in _DIGITS)
    near.discard(rest)
    return frozenset(prefix + other for other in near if is_structured(prefix + other))


def _rf_parts(text: str) -> Iterator[tuple[int, int, str]]:
    """Where each RF reference begins and ends, and its compact form.

    What is behind the reference's own characters is searched again: another may follow at once.
    """
    at = 0
    while (match := _RF.search(text, at)) is not None:
        written = match.group()
        reference = _own_part(_compact(written))
        ends = [end for end, sign in enumerate(written, 1) if sign.isalnum()]
        at = match.start() + ends[len(reference) - 1]
        yield match.start(), at, reference


def _own_part(candidate: str) -> str:
    """What is the reference of it: numbers may follow without a sign to tell from its own spaces.

    Ours have one length, also where a digit of it is wrong; one digit too many is a slip. Letters
    are none of it: one in 97 that follows a wrong digit would complete its check digits.
    """
    own = candidate[:_RF_LENGTH]
    is_longer = len(candidate) > _RF_LENGTH + 1
    return own if is_longer or iso11649.is_valid(own) else candidate


def _compact(written: str) -> str:
    return "".join(filter(str.isalnum, written)).upper()


def _is_near(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) == 1:  # one character too many, or too few
        longer, shorter = sorted((one, other), key=len, reverse=True)
        return any(longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer)))
    if len(one) != len(other):
        return False
    wrong = [at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if len(wrong) == 1:
        return True
    if len(wrong) != 2 or wrong[1] != wrong[0] + 1:
        return False
    first, second = wrong
    return one[first] == other[second] and one[second] == other[first]
