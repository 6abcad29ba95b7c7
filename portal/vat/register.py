"""The port: whoever can say whether a VAT number of an EU country exists (I4)."""

from __future__ import annotations

from typing import Protocol

__all__ = ["VatRegister", "VatRegisterUnavailable"]


class VatRegisterUnavailable(Exception):
    """There was no answer about the number: it is neither valid nor invalid. Ask again later."""


class VatRegister(Protocol):
    """Says whether a number exists. It speaks to the network, so only jobs ask."""

    @property
    def is_on(self) -> bool:
        """Whether there is anybody to ask; where not, only an operator confirms numbers."""
        ...

    def is_registered(self, number: str) -> bool:
        """Whether the VAT number (`check_vat_number`'s form, 'EL094259216') exists today.

        VatRegisterUnavailable for anything that is not a plain yes or no.
        """
        ...
