"""The hosted pages: Checkout, where a method is saved, and the bank's question (3-D Secure)."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import parse_qsl

from tests.fake_stripe.books import Books, Refusal, Thing
from tests.fake_stripe.payments import answer_challenge, save_method

__all__ = ["serve"]

Answer = tuple[int, dict[str, str], bytes]
_EXPIRY = re.compile(r"(0[1-9]|1[0-2]) ?/ ?([0-9]{2})")


def serve(books: Books, method: str, path: str, form: str) -> Answer:
    """Answer one request of a browser."""
    kind, _, ref = path.strip("/").partition("/")
    thing = books.things.get(ref)
    if kind == "checkout" and thing and thing["object"] == "checkout.session":
        return _checkout(books, thing, dict(parse_qsl(form)) if method == "POST" else None)
    if kind == "3ds" and thing and thing["object"] == "payment_intent":
        return _challenge(books, thing, dict(parse_qsl(form)) if method == "POST" else None)
    return _page(404, "Nothing here", "")


def _checkout(books: Books, session: Thing, typed: dict[str, str] | None) -> Answer:
    problem = ""
    if typed is not None:
        number = re.sub(r"\s", "", typed.get("number", "")).upper()
        expiry = _EXPIRY.fullmatch(typed.get("expiry", ""))
        expires = (2000 + int(expiry[2]), int(expiry[1])) if expiry else None
        if expires is None and not number[:2].isalpha():
            problem = "Your card's expiry date is incomplete."
        else:
            try:
                save_method(books, session, number, expires)
            except Refusal as refusal:
                problem = str(refusal)
            else:
                return 303, {"Location": session["success_url"]}, b""
    if session["status"] != "open":
        return _page(200, "This page is over", "")
    inputs = '<p><label>Number <input name="number" autocomplete="off"></label></p>'
    expiry_field = '<p><label>MM/YY <input name="expiry"></label></p>'
    debit = ""
    if "sepa_debit" in session["allowed_payment_method_types"]:
        debit = f'<form method="post" id="debit">{inputs}<button>Save IBAN</button></form>'
    return _page(
        422 if problem else 200,
        "Save a payment method",
        f'<p role="alert">{escape(problem)}</p>'
        f'<form method="post" id="card">{inputs}{expiry_field}<button>Save card</button></form>'
        f'{debit}<p><a id="cancel" href="{escape(session["cancel_url"] or "")}">Back</a></p>',
    )


def _challenge(books: Books, intent: Thing, typed: dict[str, str] | None) -> Answer:
    action = (intent["next_action"] or {}).get("redirect_to_url")
    if typed is not None and action is not None:
        approve = typed.get("answer") == "approve"
        answer_challenge(books, intent, approve=approve)
        sep = "&" if "?" in action["return_url"] else "?"
        told = (
            f"payment_intent={intent['id']}&redirect_status={'succeeded' if approve else 'failed'}"
        )
        return 303, {"Location": f"{action['return_url']}{sep}{told}"}, b""
    if action is None:
        return _page(200, "This page is over", "")
    amount = f"{intent['amount'] / 100:.2f} {intent['currency'].upper()}"
    return _page(
        200,
        "Your bank asks",
        f"<p>{amount}</p><form method='post'>"
        "<button name='answer' value='approve'>Approve</button> "
        "<button name='answer' value='fail'>Refuse</button></form>",
    )


def _page(status: int, title: str, content: str) -> Answer:
    body = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<link rel=icon href=data:,><h1>{title}</h1>{content}</html>"
    )
    return status, {"Content-Type": "text/html; charset=utf-8"}, body.encode()
