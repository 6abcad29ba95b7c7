"""What happens when money moves: confirming, settling, refunds, saved methods."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from tests.fake_stripe.books import DAY, Books, Refusal, Thing
from tests.fake_stripe.disputes import close_dispute, open_dispute

__all__ = ["NUMBERS", "TestNumber", "answer_challenge", "confirm", "give_back", "save_method"]


@dataclass(frozen=True)
class TestNumber:
    """What a test number does: `at_charge` is ok, authenticate, a decline code, a debit's end, or
    that of the dispute that follows."""

    __test__ = False

    brand: str
    at_charge: str = "ok"
    funding: str = "credit"
    code: str = "card_declined"
    advice: str = "try_again_later"


_NO = "do_not_try_again"
NUMBERS = {
    "4242424242424242": TestNumber("visa"),
    "5555555555554444": TestNumber("mastercard"),
    "4000056655665556": TestNumber("visa", funding="debit"),
    "4000002760003184": TestNumber("visa", "authenticate"),
    "4000000000000002": TestNumber("visa", "refuses_saving"),
    "4000000000000341": TestNumber("visa", "generic_decline"),
    "4000000000009995": TestNumber("visa", "insufficient_funds"),
    "4000000000009987": TestNumber("visa", "lost_card", advice=_NO),
    "4000000000000069": TestNumber(
        "visa", "expired_card", code="expired_card", advice="confirm_card_data"
    ),
    "4100000000000019": TestNumber("visa", "fraudulent", advice=_NO),
    "4000000000005126": TestNumber("visa", "refund_fails"),
    "4000000000000259": TestNumber("visa", "lost"),
    "4000000000002685": TestNumber("visa", "won"),
    "5105105105105100": TestNumber("mastercard", funding="prepaid"),
    "AT611904300234573201": TestNumber("19043", "settles"),
    "AT861904300235473202": TestNumber("19043", "fails_later"),
    "AT591904300235473203": TestNumber("19043", "disputed_later"),
}
_SETTLES = 3 * DAY
_DISPUTED = 17 * DAY
_CARD_DISPUTED, _DECIDED = 5 * DAY, 30 * DAY
_DISPUTES = {"lost", "won"}
_OPEN_STATES = {"requires_payment_method", "requires_confirmation", "requires_action"}


def save_method(books: Books, session: Thing, number: str, expires: tuple[int, int] | None) -> None:
    """The customer saves a method on the hosted page; a session that is complete stays so."""
    if session["status"] != "open":
        if session["status"] == "complete":
            return
        raise Refusal(400, "setup_intent_unexpected_state", "The session is over.")
    test = NUMBERS.get(number)
    debit = number[:2].isalpha()
    kind = "sepa_debit" if debit else "card"
    if test is None or kind not in session["allowed_payment_method_types"]:
        raise Refusal(402, "card_declined", "This is no test number of this page.")
    intent = books.things[session["setup_intent"]]
    if test.at_charge == "refuses_saving":
        intent["last_setup_error"] = {"type": "card_error", "code": "card_declined"}
        books.tell("setup_intent.setup_failed", intent)
        raise Refusal(402, "card_declined", "Your card was declined.")
    method = books.add(
        "payment_method", type=kind, customer=session["customer"], billing_details={}, metadata={}
    )
    books.numbers[method["id"]] = number
    if debit:
        method["sepa_debit"] = {"bank_code": test.brand, "country": "AT", "last4": number[-4:]}
        mandate = books.add(
            "mandate", type="multi_use", multi_use={}, status="active",
            payment_method=method["id"],
            customer_acceptance={"type": "online", "accepted_at": books.now()},
            payment_method_details={
                "type": "sepa_debit",
                "sepa_debit": {
                    "reference": secrets.token_hex(8).upper(),
                    "url": f"{books.base_url}/mandate",
                },
            },
        )  # fmt: skip
        intent["mandate"] = mandate["id"]
    else:
        year, month = expires or (2034, 12)
        method["card"] = {
            "brand": test.brand, "last4": number[-4:], "funding": test.funding,
            "exp_year": year, "exp_month": month, "country": "NL",
        }  # fmt: skip
    intent.update(status="succeeded", payment_method=method["id"])
    session.update(status="complete", url=None)
    books.tell("payment_method.attached", method)
    books.tell("setup_intent.succeeded", intent)
    books.tell("checkout.session.completed", session)


def confirm(books: Books, intent: Thing, asked: Thing) -> None:
    """Try to collect a PaymentIntent; a decline is a 402 with the intent in it."""
    if intent["status"] not in _OPEN_STATES:
        raise Refusal(
            400, "payment_intent_unexpected_state",
            f"This PaymentIntent's status is {intent['status']}.",
        )  # fmt: skip
    method = _usable(books, intent, asked.get("payment_method") or intent["payment_method"])
    off_session = bool(asked.get("off_session"))
    if not off_session and not asked.get("return_url"):
        raise Refusal(400, "parameter_missing", "A return_url is needed.", param="return_url")
    intent.update(payment_method=method["id"], last_payment_error=None, next_action=None)
    test = NUMBERS[books.numbers[method["id"]]]
    if test.at_charge == "authenticate" and not off_session:
        address = f"{books.base_url}/3ds/{intent['id']}"
        intent["status"] = "requires_action"
        intent["next_action"] = {
            "type": "redirect_to_url",
            "redirect_to_url": {"url": address, "return_url": asked["return_url"]},
        }
        books.tell("payment_intent.requires_action", intent)
        return
    if method["type"] == "sepa_debit":
        charge = _charge(books, intent, method, "pending")
        intent["status"] = "processing"
        books.tell("payment_intent.processing", intent)
        books.later(_SETTLES, lambda: _settle_debit(books, intent, charge, test))
        return
    if test.at_charge in {"ok", "refund_fails"} | _DISPUTES:
        _paid(books, intent, _charge(books, intent, method, "succeeded"))
        return
    if test.at_charge == "authenticate":
        code, decline, advice = "authentication_required", "authentication_required", None
    else:
        code, decline, advice = test.code, test.at_charge, test.advice
    _declined(books, intent, method, code, decline, advice)
    raise Refusal(
        402, code, "Your card was declined.", decline_code=decline,
        charge=intent["latest_charge"], payment_intent=books.shown(intent, ["latest_charge"]),
        **({"advice_code": advice} if advice else {}),
    )  # fmt: skip


def _usable(books: Books, intent: Thing, ref: Any) -> Thing:
    method = books.get("payment_method", ref, "payment_method")
    if method["customer"] is None:
        raise Refusal(
            400, "payment_method_unexpected_state", "It was detached from a Customer.",
            param="payment_method",
        )  # fmt: skip
    if method["customer"] != intent["customer"]:
        raise Refusal(
            400, "resource_missing", "The customer does not have this payment method.",
            param="payment_method",
        )  # fmt: skip
    if method["type"] not in intent["allowed_payment_method_types"]:
        raise Refusal(
            400, "payment_intent_incompatible_payment_method", "It is not allowed here.",
            param="payment_method",
        )  # fmt: skip
    mandates = [
        t for t in books.things.values()
        if t["object"] == "mandate" and t["payment_method"] == method["id"]
    ]  # fmt: skip
    if any(mandate["status"] == "inactive" for mandate in mandates):
        raise Refusal(400, "payment_intent_mandate_invalid", "The mandate is inactive.")
    return method


def _charge(books: Books, intent: Thing, method: Thing, status: str) -> Thing:
    charge = books.add(
        "charge", amount=intent["amount"], currency=intent["currency"], status=status,
        amount_captured=intent["amount"] if status != "failed" else 0, amount_refunded=0,
        billing_details={}, captured=status != "failed", disputed=False, refunded=False,
        paid=status != "failed", metadata=dict(intent["metadata"]), customer=intent["customer"],
        payment_intent=intent["id"], payment_method=method["id"],
        payment_method_details={"type": method["type"]},
    )  # fmt: skip
    intent["latest_charge"] = charge["id"]
    return charge


def _paid(books: Books, intent: Thing, charge: Thing) -> None:
    charge.update(status="succeeded", paid=True)
    intent.update(status="succeeded", amount_received=intent["amount"], next_action=None)
    books.tell("charge.succeeded", charge)
    books.tell("payment_intent.succeeded", intent)
    ends_as = NUMBERS[books.numbers[charge["payment_method"]]].at_charge
    if ends_as in _DISPUTES:
        books.later(_CARD_DISPUTED, lambda: _object(books, charge, ends_as))


def _object(books: Books, charge: Thing, ends_as: str) -> None:
    dispute = open_dispute(books, charge)
    books.later(_DECIDED, lambda: close_dispute(books, dispute, status=ends_as))


def _declined(
    books: Books, intent: Thing, method: Thing, code: str, decline: str | None, advice: str | None
) -> None:
    charge = _charge(books, intent, method, "failed")
    charge["failure_code"] = code
    _failed(books, intent, code, decline, advice)
    books.tell("charge.failed", charge)


def _failed(
    books: Books, intent: Thing, code: str, decline: str | None, advice: str | None
) -> None:
    intent.update(
        status="requires_payment_method",
        next_action=None,
        last_payment_error={
            "type": "card_error", "code": code, "decline_code": decline, "advice_code": advice,
        },
    )  # fmt: skip
    books.tell("payment_intent.payment_failed", intent)


def _settle_debit(books: Books, intent: Thing, charge: Thing, test: TestNumber) -> None:
    if test.at_charge == "fails_later":
        charge.update(status="failed", paid=False, failure_code="debit_not_authorized")
        _failed(books, intent, "debit_not_authorized", None, None)
        books.tell("charge.failed", charge)
        return
    _paid(books, intent, charge)
    if test.at_charge == "disputed_later":
        books.later(_DISPUTED - _SETTLES, lambda: _take_back(books, charge))


def _take_back(books: Books, charge: Thing) -> None:
    open_dispute(books, charge, status="lost", reason="debit_not_authorized")


def answer_challenge(books: Books, intent: Thing, *, approve: bool) -> None:
    """The customer approves or fails at the bank; a second answer changes nothing."""
    if intent["status"] != "requires_action":
        return
    method = books.things[intent["payment_method"]]
    if approve:
        _paid(books, intent, _charge(books, intent, method, "succeeded"))
    else:
        _failed(books, intent, "payment_intent_authentication_failure", None, None)


def give_back(books: Books, asked: Thing) -> Thing:
    """A refund: a card's at once, a debit's days later, and some fail."""
    intent = books.get("payment_intent", asked["payment_intent"], "payment_intent")
    if intent["status"] != "succeeded":
        raise Refusal(
            400, None, "This PaymentIntent does not have a successful charge to refund.",
            param="payment_intent",
        )  # fmt: skip
    charge = books.things[intent["latest_charge"]]
    if any(
        t["object"] == "dispute" and t["charge"] == charge["id"] and not t["is_charge_refundable"]
        and t["status"] != "won" for t in books.things.values()
    ):  # fmt: skip
        raise Refusal(400, "charge_disputed", "The charge was disputed.")
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise Refusal(400, "charge_already_refunded", "The charge has been refunded.")
    amount = asked.get("amount", left)
    if not 0 < amount <= left:
        raise Refusal(
            400, None, "The refund is greater than the unrefunded amount.", param="amount"
        )
    test = NUMBERS[books.numbers[charge["payment_method"]]]
    fails = test.at_charge == "refund_fails"
    waits = fails or charge["payment_method_details"]["type"] == "sepa_debit"
    refund = books.add(
        "refund", amount=amount, currency=charge["currency"], charge=charge["id"],
        payment_intent=intent["id"], metadata=asked.get("metadata", {}),
        status="pending" if waits else "succeeded",
    )  # fmt: skip
    _count_refunded(charge, amount)
    books.tell("refund.created", refund)
    books.tell("charge.refunded", charge)
    if waits:
        books.later(_SETTLES, lambda: _end_refund(books, refund, charge, fails=fails))
    return refund


def _count_refunded(charge: Thing, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]


def _end_refund(books: Books, refund: Thing, charge: Thing, *, fails: bool) -> None:
    if fails:
        refund.update(status="failed", failure_reason="expired_or_canceled_card")
        _count_refunded(charge, -refund["amount"])
        books.tell("refund.failed", refund)
    else:
        refund["status"] = "succeeded"
    books.tell("refund.updated", refund)
