"""/consents/TOKEN: an admin reads what they are asked to agree to, and answers (S7).

The token is the proof, as with a sign-in link: nobody has to be signed in. A GET shows and writes
nothing, because mail scanners open links; the answer is a POST.
"""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.extensions import limiter
from portal.queries.consents import ConsentRequest, get_consent
from portal.services.consents import REQUEST_LIFETIME, answer_consent
from portal.web.access import public
from portal.web.messages import error_sentence
from portal.web.pages import respond
from portal.web.signed_in import parts, read_connection, stop_reading, token_hash

__all__ = ["blueprint"]

blueprint = Blueprint("consents", __name__, url_prefix="/consents")

_ANSWERS = {"agree": True, "refuse": False}


@blueprint.get("/<token>")
@public
def show(token: str) -> ResponseReturnValue:
    """Who asks, since when, and the exact words; two buttons."""
    return _page(token)


@blueprint.post("/<token>")
@public
@limiter.limit("60 per 10 minutes")
def answer(token: str) -> ResponseReturnValue:
    """Record the answer; a yes is carried out at once."""
    agreed = _ANSWERS.get(request.form.get("answer", ""))
    if agreed is None:
        return _page(token, 422)
    stop_reading()
    try:
        with transaction() as session:
            answered = answer_consent(session, token, agreed, catalogue=parts().catalogue,
                                      now=parts().clock.now())  # fmt: skip
    except DomainError as error:
        if error.code == "consent_link_invalid":
            return _page(token)
        return _page(token, 422, error_sentence(error))
    return respond("consents/answered.html", answered=answered)


def _page(token: str, status: int = 200, problem: str = "") -> ResponseReturnValue:
    asked = get_consent(read_connection(), token_hash(token))
    if asked is None or not _is_open(asked):
        # Answered already, withdrawn, too old, or never there: said calmly, with what is known.
        return respond("consents/over.html", None, 410, asked=asked)
    return respond("consents/show.html", None, status, asked=asked, token=token, problem=problem,
                   until=asked.asked_at + REQUEST_LIFETIME)  # fmt: skip


def _is_open(asked: ConsentRequest) -> bool:
    alive = asked.asked_at > parts().clock.now() - REQUEST_LIFETIME
    return asked.answered_at is None and alive
