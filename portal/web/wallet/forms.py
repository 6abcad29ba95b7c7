"""The forms of the wallet: which pack, and when one is bought automatically."""

from __future__ import annotations

from collections.abc import Sequence

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import RadioField, StringField

from portal.domain.errors import DomainError, Problem, Rejected
from portal.domain.quantities import parse_quantity
from portal.domain.wallet import MOST_CREDITS, TopUpSettings
from portal.formats import format_money
from portal.web.amounts import typed_amount, understood_amount
from portal.web.buying import BuyForm
from portal.web.forms import PortalForm
from portal.web.locale import speech
from portal.web.wallet.views import PackView, credits_words

__all__ = ["PackForm", "TopUpForm"]


class PackForm(BuyForm):
    """Which pack is bought."""

    pack = RadioField(_l("Pack of credits"))

    def offer(self, packs: Sequence[PackView]) -> None:
        """The packs on sale, by their number of credits."""
        self.pack.choices = [(pack.key, credits_words(pack.credits)) for pack in packs]


class TopUpForm(PortalForm):
    """Numbers are texts until they are parsed, so that what was typed is kept."""

    threshold = StringField(_l("Buy when there are fewer credits than"))
    pack = RadioField(_l("Pack of credits"))
    cap = StringField(_l("At most in a month"))

    def offer(self, packs: Sequence[PackView]) -> None:
        """The packs on sale, with what one costs."""
        locale = speech().locale
        self.pack.choices = [
            (
                pack.key,
                _(
                    "%(credits)s for %(amount)s",
                    credits=credits_words(pack.credits),
                    amount=format_money(pack.gross, locale),
                ),
            )
            for pack in packs
        ]

    def settings(self, currency: str) -> TopUpSettings:
        """What was chosen; Rejected names each number that cannot be understood."""
        problems: list[Problem] = []
        threshold, cap = 0, None
        try:
            threshold = parse_quantity(self.threshold.data or "", minimum=1, maximum=MOST_CREDITS)
        except DomainError as error:
            problems.append(Problem("threshold", error.code, error.data))
        try:
            cap = understood_amount(self.cap.data or "", currency)
            self.cap.data = typed_amount(cap)
        except DomainError as error:
            problems.append(Problem("cap", error.code, error.data))
        if cap is None or problems:
            raise Rejected(problems)
        return TopUpSettings(threshold, self.pack.data or "", cap)
