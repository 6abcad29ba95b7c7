"""The parts that `create_app` puts together once and hands to whoever needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portal.clock import Clock
    from portal.config import Settings
    from portal.domain.catalogue import Catalogue
    from portal.mail.transport import MailTransport
    from portal.payments.gateway import Gateway
    from portal.vat.register import VatRegister

__all__ = ["Parts"]


@dataclass(frozen=True, slots=True)
class Parts:
    """Settings, clock, catalogue and the adapters chosen by configuration."""

    settings: Settings
    clock: Clock
    catalogue: Catalogue
    gateway: Gateway
    mail: MailTransport
    vat_register: VatRegister
