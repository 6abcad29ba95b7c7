"""The demo's register: no network; the last digit of a number decides what it says.

9: there is no such number; 8: no answer today; every other number exists.
"""

from __future__ import annotations

from portal.vat.register import VatRegisterUnavailable

__all__ = ["DemoRegister"]


class DemoRegister:
    """Answers at once, the same every time."""

    is_on = True

    def is_registered(self, number: str) -> bool:
        """By the last digit, as the module says."""
        if number.endswith("8"):
            raise VatRegisterUnavailable("the demo's register does not answer for this number")
        return not number.endswith("9")
