"""Disputes at Stripe (M4): money that the customer's bank takes back, for now or for good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from portal.payments.gateway import SETTINGS_REFUSALS, DisputeOutcome, GatewayRefused, Patience
from portal.payments.stripe_gateway.line import Caller, Params, asking
from portal.payments.stripe_gateway.reading import dispute_of, id_of, second_of

__all__ = ["Disputes"]

_PAGE = 100


class Disputes(Caller):
    """The port's disputes."""

    def get_dispute(self, ref: str, patience: Patience) -> DisputeOutcome:
        """The dispute as it stands."""
        dispute = self._line.ask(patience, lambda client: client.v1.disputes.retrieve(ref))
        return self._read(lambda: dispute_of(dispute))

    def list_disputes(self, since: datetime, until: datetime) -> Iterator[DisputeOutcome]:
        """Found by the events that opened them, which Stripe keeps for 30 days; each read anew."""
        params: Params = {
            "types": ["charge.dispute.created"],
            "created": {"gte": second_of(since), "lt": second_of(until)},
            "limit": _PAGE,
        }
        with asking():
            page = self._line.client(Patience.BACKGROUND).v1.events.list(params)  # type: ignore[arg-type]
            refs = [
                id_of(event.to_dict()["data"]["object"]) for event in page.auto_paging_iter()
            ]  # fmt: skip
        for ref in reversed(dict.fromkeys(refs)):
            try:
                yield self.get_dispute(ref, Patience.BACKGROUND)
            except GatewayRefused as refused:
                if refused.code in SETTINGS_REFUSALS:
                    raise
