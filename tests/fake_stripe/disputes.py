"""Disputes: the money is withdrawn while the bank decides, or not at all (an inquiry)."""

from __future__ import annotations

from typing import Any

from tests.fake_stripe.books import Books, Thing

__all__ = ["close_dispute", "list_events", "open_dispute"]

_FEE = 2_000


def open_dispute(
    books: Books, charge: Thing, *, status: str = "needs_response", withdrawn: bool = True,
    reason: str = "fraudulent", amount: int | None = None,
) -> Thing:  # fmt: skip
    """The holder objects; by default all that is left of the charge is withdrawn at once."""
    charge["disputed"] = True
    left = charge["amount"] - charge["amount_refunded"]
    dispute = books.add(
        "dispute", amount=amount or left, currency=charge["currency"], charge=charge["id"],
        payment_intent=charge["payment_intent"], status=status, reason=reason,
        balance_transactions=[], enhanced_eligibility_types=[],
        is_charge_refundable=not withdrawn,
        evidence={"enhanced_evidence": {}}, metadata={},
        evidence_details={
            "enhanced_eligibility": {}, "has_evidence": False, "past_due": False,
            "submission_count": 0, "submission_method": "not_submitted",
        },
    )  # fmt: skip
    books.tell("charge.dispute.created", dispute)
    if withdrawn:
        _move(books, dispute, -dispute["amount"], "funds_withdrawn")
    if status == "lost":
        books.tell("charge.dispute.closed", dispute)
    return dispute


def close_dispute(books: Books, dispute: Thing, *, status: str) -> None:
    """The bank decides; what is won is reinstated."""
    dispute["status"] = status
    if status == "won":
        _move(books, dispute, dispute["amount"], "funds_reinstated")
    books.tell("charge.dispute.closed", dispute)


def _move(books: Books, dispute: Thing, amount: int, what: str) -> None:
    dispute["balance_transactions"].append(
        {
            "id": f"txn_{len(dispute['balance_transactions'])}_{dispute['id']}",
            "object": "balance_transaction",
            "amount": amount,
            "fee": _FEE if amount < 0 else 0,
            "currency": dispute["currency"],
            "type": "adjustment",
        }
    )
    books.tell(f"charge.dispute.{what}", dispute)


def list_events(books: Books, ids: dict[str, str], asked: Thing) -> Any:
    """The events of some types, the newest first."""
    types = asked.get("types")
    return books.listed("event", lambda thing: types is None or thing["type"] in types, asked)
