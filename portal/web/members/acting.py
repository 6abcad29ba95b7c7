"""How an action on a member is answered: back to their page, with what happened or why not."""

from __future__ import annotations

from collections.abc import Callable

from flask import abort, flash, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.errors import DomainError, Rejected
from portal.queries.members import MemberDetail, get_member
from portal.web.messages import error_sentence, problem_sentence
from portal.web.pages import see_other
from portal.web.signed_in import account, read_connection, stop_reading

__all__ = ["carry_out", "consents_address", "member_or_404"]


def member_or_404(member_id: int) -> MemberDetail:
    """One of the account's people; another account's answers as an absent one."""
    found = get_member(read_connection(), account().id, member_id)
    if found is None:
        abort(404)
    return found


def carry_out(
    work: Callable[[Session], str], *, to: str, otherwise: str | None = None
) -> ResponseReturnValue:
    """Do `work` in one transaction and go on to the address `to` with the sentence it returns.

    Where a rule refuses, its reason is shown at `otherwise`, or there as well, and nothing changes.
    """
    stop_reading()
    try:
        with transaction() as session:
            sentence = work(session)
    except DomainError as error:
        if error.code == "member_unknown":
            abort(404)
        if isinstance(error, Rejected):
            first = error.problems[0]
            flash(problem_sentence(first.code, first.data), "bad")
        else:
            flash(error_sentence(error), "bad")
        return see_other(otherwise or to)
    flash(sentence, "good")
    return see_other(to)


def consents_address(public_url: str) -> str:
    """Where the links of requests for consent lead; the token follows."""
    return public_url + url_for("consents.show", token="t").rpartition("/")[0]
