"""The demo's test numbers: what each does, in the provider's own words.

They are the numbers that Stripe publishes for its test mode, so they are known and belong to
nobody. Two kinds of trouble exist: a card that cannot be saved, and one that is saved and fails
when it is charged.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stdnum import iban, luhn

from portal.payments.gateway import MethodKind

__all__ = [
    "ADVICE", "HARD_DECLINES", "TEST_NUMBERS", "Behaviour", "TestNumber", "find_test_number",
    "looks_like_card", "looks_like_iban",
]  # fmt: skip


class Behaviour(StrEnum):
    """What happens when the method is charged (REFUSES_SAVING: already before)."""

    OK = "ok"
    REFUSES_SAVING = "refuses_saving"
    GENERIC_DECLINE = "generic_decline"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    LOST_CARD = "lost_card"
    EXPIRED_CARD = "expired_card"
    FRAUDULENT = "fraudulent"
    AUTHENTICATE = "authenticate"
    FAILS_LATER = "fails_later"
    REVERSED_LATER = "reversed_later"
    REFUND_FAILS = "refund_fails"
    DISPUTE_LOST = "dispute_lost"
    DISPUTE_WON = "dispute_won"


HARD_DECLINES = frozenset({"lost_card", "stolen_card", "fraudulent"})
"""Decline codes after which nobody tries again (M5)."""

ADVICE = {
    "generic_decline": "try_again_later",
    "insufficient_funds": "try_again_later",
    "lost_card": "do_not_try_again",
    "fraudulent": "do_not_try_again",
    "expired_card": "confirm_card_data",
}
"""Advice code by decline code."""


@dataclass(frozen=True, slots=True)
class TestNumber:
    """A number that the demo's payment page accepts, without spaces."""

    __test__ = False  # pytest: this is no test class

    number: str
    kind: MethodKind
    brand: str
    behaviour: Behaviour = Behaviour.OK
    funding: str = "credit"

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def grouped(self) -> str:
        """As people read it, in groups of four."""
        return " ".join(self.number[i : i + 4] for i in range(0, len(self.number), 4))


def _card(
    number: str,
    behaviour: Behaviour = Behaviour.OK,
    *,
    brand: str = "visa",
    funding: str = "credit",
) -> TestNumber:
    return TestNumber(number, MethodKind.CARD, brand, behaviour, funding)


def _debit(number: str, behaviour: Behaviour = Behaviour.OK) -> TestNumber:
    return TestNumber(number, MethodKind.SEPA_DEBIT, "Demobank", behaviour, funding="")


TEST_NUMBERS = (
    _card("4242424242424242"),
    _card("5555555555554444", brand="mastercard"),
    _card("4000056655665556", funding="debit"),
    _card("4000002760003184", Behaviour.AUTHENTICATE),
    _card("4000000000000002", Behaviour.REFUSES_SAVING),
    _card("4000000000000341", Behaviour.GENERIC_DECLINE),
    _card("4000000000009995", Behaviour.INSUFFICIENT_FUNDS),
    _card("4000000000009987", Behaviour.LOST_CARD),
    _card("4000000000000069", Behaviour.EXPIRED_CARD),
    _card("4100000000000019", Behaviour.FRAUDULENT),
    _card("4000000000005126", Behaviour.REFUND_FAILS),
    _card("4000000000000259", Behaviour.DISPUTE_LOST),
    _card("4000000000002685", Behaviour.DISPUTE_WON),
    _card("5105105105105100", brand="mastercard", funding="prepaid"),
    _debit("AT611904300234573201"),
    _debit("AT861904300235473202", Behaviour.FAILS_LATER),
    _debit("AT591904300235473203", Behaviour.REVERSED_LATER),
)  # fmt: skip
"""In the order in which the payment page lists them."""

_BY_NUMBER = {test.number: test for test in TEST_NUMBERS}


def find_test_number(number: str, kind: MethodKind) -> TestNumber | None:
    """The test number typed as `number` (without spaces, upper case), if it is one of `kind`."""
    found = _BY_NUMBER.get(number)
    return found if found is not None and found.kind is kind else None


def looks_like_card(number: str) -> bool:
    """12 to 19 digits with a right check digit."""
    digits = number.isascii() and number.isdigit() and 12 <= len(number) <= 19
    return digits and bool(luhn.is_valid(number))


def looks_like_iban(number: str) -> bool:
    """An IBAN with a right check sum."""
    return number.isascii() and bool(iban.is_valid(number, check_country=False))
