"""The operations of the API that the portal uses; any other is a refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fake_stripe.books import DAY, Books, Refusal, Thing
from tests.fake_stripe.disputes import list_events
from tests.fake_stripe.payments import confirm, give_back

__all__ = ["run"]

Ids = dict[str, str]
_CANCELLABLE = {"requires_payment_method", "requires_confirmation", "requires_action"}


def run(books: Books, name: str, ids: Ids, asked: Thing) -> Thing:
    """Answer one operation, its parameters checked already."""
    operation = _OPERATIONS.get(name)
    if operation is None:
        raise Refusal(404, None, f"This Stripe does not know {name}.")
    return operation(books, ids, asked)


def _expanded(books: Books, thing: Thing, asked: Thing) -> Thing:
    return books.shown(thing, asked.get("expand"))


def _create_customer(books: Books, ids: Ids, asked: Thing) -> Thing:
    return books.add(
        "customer", name=asked.get("name"), email=asked.get("email"),
        metadata=asked.get("metadata", {}),
    )  # fmt: skip


def _list_customers(books: Books, ids: Ids, asked: Thing) -> Thing:
    return books.listed("customer", lambda thing: True, asked)


def _create_session(books: Books, ids: Ids, asked: Thing) -> Thing:
    books.get("customer", asked["customer"], "customer")
    if asked.get("mode") != "setup":
        raise Refusal(400, None, "Only mode=setup is played here.", param="mode")
    if "currency" not in asked:
        raise Refusal(400, "parameter_missing", "currency is needed.", param="currency")
    kinds = asked["allowed_payment_method_types"]
    intent = books.add(
        "setup_intent", customer=asked["customer"], status="requires_payment_method",
        payment_method_types=kinds, usage="off_session", payment_method=None, mandate=None,
        metadata=asked.get("setup_intent_data", {}).get("metadata", {}), last_setup_error=None,
    )  # fmt: skip
    session = books.add(
        "checkout.session", mode="setup", status="open", customer=asked["customer"],
        client_reference_id=asked.get("client_reference_id"), setup_intent=intent["id"],
        success_url=asked["success_url"], cancel_url=asked.get("cancel_url"),
        locale=asked.get("locale"), allowed_payment_method_types=kinds,
        payment_method_types=kinds, payment_status="no_payment_required",
        automatic_tax={"enabled": False}, custom_fields=[], custom_text={}, shipping_options=[],
        expires_at=books.now() + DAY, currency=asked["currency"],
    )  # fmt: skip
    session["url"] = f"{books.base_url}/checkout/{session['id']}"
    books.later(DAY, lambda: _expire(books, session))
    return session


def _expire(books: Books, session: Thing) -> None:
    if session["status"] == "open":
        session.update(status="expired", url=None)
        books.tell("checkout.session.expired", session)


def _retrieve(kind: str, name: str) -> Callable[[Books, Ids, Thing], Thing]:
    def retrieve(books: Books, ids: Ids, asked: Thing) -> Thing:
        return _expanded(books, books.get(kind, ids[name]), asked)

    return retrieve


def _update_method(books: Books, ids: Ids, asked: Thing) -> Thing:
    method = books.get("payment_method", ids["payment_method"])
    method["metadata"].update(asked.get("metadata") or {})
    return method


def _detach_method(books: Books, ids: Ids, asked: Thing) -> Thing:
    method = books.get("payment_method", ids["payment_method"])
    if method["customer"] is None:
        raise Refusal(400, None, "The payment method is not attached to a customer.")
    method["customer"] = None
    books.tell("payment_method.detached", method)
    return method


# docs.stripe.com/currencies: minimum charge amounts, and the currencies that are special cases.
_MINIMUM = {"eur": 50, "usd": 50, "gbp": 30, "chf": 50, "dkk": 250, "sek": 300, "jpy": 50}
_STEP = {"isk": 100, "ugx": 100, "bhd": 10, "jod": 10, "kwd": 10, "omr": 10, "tnd": 10}


def _check_amount(amount: int, currency: str) -> None:
    if amount < _MINIMUM.get(currency, 0):
        raise Refusal(
            400, "amount_too_small", "Amount must be at least the minimum.", param="amount"
        )
    if amount % _STEP.get(currency, 1):
        raise Refusal(400, "invalid_charge_amount", "Not a whole amount.", param="amount")


def _create_intent(books: Books, ids: Ids, asked: Thing) -> Thing:
    books.get("customer", asked["customer"], "customer")
    if asked["amount"] < 1:
        raise Refusal(400, "parameter_invalid_integer", "Too small.", param="amount")
    _check_amount(asked["amount"], asked["currency"])
    intent = books.add(
        "payment_intent", amount=asked["amount"], currency=asked["currency"],
        amount_capturable=0, amount_received=0, capture_method="automatic_async",
        confirmation_method="automatic", customer=asked["customer"],
        description=asked.get("description"), metadata=asked.get("metadata", {}),
        payment_method=asked.get("payment_method"), status="requires_confirmation",
        payment_method_types=asked.get("allowed_payment_method_types", ["card"]),
        allowed_payment_method_types=asked.get("allowed_payment_method_types", ["card"]),
        latest_charge=None, last_payment_error=None, next_action=None,
    )  # fmt: skip
    books.tell("payment_intent.created", intent)
    if asked.get("confirm"):
        try:
            confirm(books, intent, asked)
        except Refusal as refusal:
            if refusal.status == 400:  # nothing is made by a request that is refused
                del books.things[intent["id"]]
            raise
    return _expanded(books, intent, asked)


def _confirm_intent(books: Books, ids: Ids, asked: Thing) -> Thing:
    intent = books.get("payment_intent", ids["intent"])
    confirm(books, intent, asked)
    return _expanded(books, intent, asked)


def _cancel_intent(books: Books, ids: Ids, asked: Thing) -> Thing:
    intent = books.get("payment_intent", ids["intent"])
    if intent["status"] not in _CANCELLABLE:
        raise Refusal(
            400, "payment_intent_unexpected_state",
            f"You cannot cancel this PaymentIntent: its status is {intent['status']}.",
        )  # fmt: skip
    intent.update(status="canceled", next_action=None, canceled_at=books.now())
    books.tell("payment_intent.canceled", intent)
    return _expanded(books, intent, asked)


def _list_intents(books: Books, ids: Ids, asked: Thing) -> Thing:
    customer = asked.get("customer")
    return books.listed(
        "payment_intent", lambda thing: customer in {None, thing["customer"]}, asked
    )


def _create_refund(books: Books, ids: Ids, asked: Thing) -> Thing:
    return give_back(books, asked)


def _list_refunds(books: Books, ids: Ids, asked: Thing) -> Thing:
    intent = asked.get("payment_intent")
    return books.listed("refund", lambda thing: intent in {None, thing["payment_intent"]}, asked)


_OPERATIONS: dict[str, Callable[[Books, Ids, Thing], Any]] = {
    "charges.retrieve": _retrieve("charge", "charge"),
    "checkout.sessions.create": _create_session,
    "checkout.sessions.retrieve": _retrieve("checkout.session", "session"),
    "customers.create": _create_customer,
    "customers.list": _list_customers,
    "customers.retrieve": _retrieve("customer", "customer"),
    "disputes.retrieve": _retrieve("dispute", "dispute"),
    "events.list": list_events,
    "events.retrieve": _retrieve("event", "id"),
    "mandates.retrieve": _retrieve("mandate", "mandate"),
    "payment_intents.cancel": _cancel_intent,
    "payment_intents.confirm": _confirm_intent,
    "payment_intents.create": _create_intent,
    "payment_intents.list": _list_intents,
    "payment_intents.retrieve": _retrieve("payment_intent", "intent"),
    "payment_methods.detach": _detach_method,
    "payment_methods.retrieve": _retrieve("payment_method", "payment_method"),
    "payment_methods.update": _update_method,
    "refunds.create": _create_refund,
    "refunds.list": _list_refunds,
    "refunds.retrieve": _retrieve("refund", "refund"),
    "setup_intents.retrieve": _retrieve("setup_intent", "intent"),
}
