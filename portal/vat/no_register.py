"""Nobody to ask: VIES is switched off, and an operator confirms numbers by hand."""

from __future__ import annotations

from portal.vat.register import VatRegisterUnavailable

__all__ = ["NoRegister"]


class NoRegister:
    """Where VIES is switched off."""

    is_on = False

    def is_registered(self, number: str) -> bool:
        """Never a yes or no."""
        raise VatRegisterUnavailable("VIES is switched off")
