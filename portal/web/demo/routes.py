"""/demo: sign in as anybody, read every e-mail, move the clock. Never in production."""

from __future__ import annotations

import base64
from datetime import datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort, flash, request, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import IntegerField
from wtforms.validators import InputRequired, NumberRange

from portal.db import transaction
from portal.demo.people import DEMO_PEOPLE
from portal.jobs.worker import Counts, run_due
from portal.queries.demo_mailbox import Mail, get_mail, get_next_renewal, list_mails
from portal.web.access import public
from portal.web.demo import payment_page
from portal.web.demo.mail_part import FramingPage, MailPart
from portal.web.demo.sessions import keep_signed_in, put_in_cookie, sign_in_as
from portal.web.forms import PortalForm
from portal.web.pages import respond, see_other
from portal.web.signed_in import parts, read_connection, stop_reading

blueprint = Blueprint("demo", __name__, url_prefix="/demo")

PAGE = 25
_LAST_PAGE = 10_000
_FURTHEST = 400  # days in one step
_MORNING = time(6)
_ROLES = {
    "admin": _l("Admin"),
    "billing_admin": _l("Billing admin"),
    "member": _l("Member"),
    "account_executive": _l("Account executive"),
    "operator": _l("Operator"),
}


@blueprint.record_once
def _with_payment_page(state: BlueprintSetupState) -> None:
    state.app.register_blueprint(payment_page.blueprint)


class DaysForm(PortalForm):
    """How far to move the clock."""

    days = IntegerField(
        _l("Days"),
        validators=[
            InputRequired(_l("Enter a number of days from 1 to 400.")),
            NumberRange(1, _FURTHEST, _l("Enter a number of days from 1 to 400.")),
        ],
    )


@blueprint.get("")
@public
def people() -> ResponseReturnValue:
    """Everybody one can be in the demo."""
    groups = [(key, list(them)) for key, them in groupby(DEMO_PEOPLE, lambda one: one.account)]
    return respond("demo/people.html", groups=groups, roles=_ROLES, now=parts().clock.now())


@blueprint.post("/sign-in")
@public
def sign_in() -> ResponseReturnValue:
    """Be that person from now on."""
    email = request.form.get("email", "")
    if email not in {person.email for person in DEMO_PEOPLE}:
        abort(404)
    stop_reading()
    now = parts().clock.now()
    with transaction() as session:
        opened = sign_in_as(session, email, now)
    if opened is None:
        abort(404)
    put_in_cookie(*opened, now)
    return see_other("/")


@blueprint.get("/mailbox")
@public
def mailbox() -> ResponseReturnValue:
    """Every e-mail that the demo sent, the newest first."""
    text = request.args.get("page", "1")
    page = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= page <= _LAST_PAGE:
        abort(404)
    mails = list_mails(read_connection(), limit=PAGE + 1, offset=(page - 1) * PAGE)
    if page > 1 and not mails:
        abort(404)
    return respond("demo/mailbox.html", mails=mails[:PAGE], has_more=len(mails) > PAGE, page=page)


@blueprint.get("/mailbox/<int:mail_id>")
@public
def mail(mail_id: int) -> ResponseReturnValue:
    """One e-mail: its HTML in a sandboxed frame, its text, its attachments."""
    found = _mail(mail_id)
    paragraphs = [part.splitlines() for part in found.text_body.strip().split("\n\n") if part]
    page = respond("demo/mail.html", mail=found, paragraphs=paragraphs)
    return FramingPage(page.get_data(), page.status_code, page.headers)


@blueprint.get("/mailbox/<int:mail_id>/html")
@public
def mail_html(mail_id: int) -> ResponseReturnValue:
    """The HTML part as it was sent, under a policy of its own."""
    return MailPart(_mail(mail_id).html_body)


@blueprint.get("/mailbox/<int:mail_id>/attachments/<int:place>")
@public
def attachment(mail_id: int, place: int) -> ResponseReturnValue:
    """An attachment, to be saved."""
    attachments = _mail(mail_id).attachments
    if place >= len(attachments):
        abort(404)
    found = attachments[place]
    response = Response(base64.b64decode(found["content"]), mimetype=found["media_type"])
    response.headers.set("Content-Disposition", "attachment", filename=found["filename"])
    return response


@blueprint.route("/clock", methods=["GET", "POST"])
@public
def clock() -> ResponseReturnValue:
    """What day it is in the demo; a POST moves it forward and runs the jobs that are due."""
    form = DaysForm(data={"days": 7})
    now = parts().clock.now()
    zone = parts().catalogue.vendor.time_zone
    renewal = get_next_renewal(read_connection(), parts().clock.today(zone))
    if request.method == "POST":
        if request.form.get("to") == "renewal" and renewal is not None:
            morning = datetime.combine(renewal.on, _MORNING, ZoneInfo(renewal.time_zone))
            return _move(max(morning - now, timedelta()))
        if form.validate():
            assert form.days.data is not None
            return _move(timedelta(days=form.days.data))
    return respond(
        "demo/clock.html",
        None,
        422 if request.method == "POST" else 200,
        form=form,
        now=now,
        renewal=renewal,
        steps=(1, 7, 30),
    )


def _move(ahead: timedelta) -> ResponseReturnValue:
    stop_reading()
    the_clock = parts().clock
    with transaction() as session:
        keep_signed_in(session, ahead, the_clock.now())
    the_clock.move(ahead)
    flash(_what_ran(run_due(parts(), the_clock.now())), "good")
    return see_other(url_for("demo.clock"))


def _what_ran(counts: Counts) -> str:
    return _(
        "The clock was moved. Jobs run: %(jobs)s. Messages delivered: %(messages)s. "
        "To be tried again: %(failed)s.",
        jobs=counts.jobs,
        messages=counts.messages,
        failed=counts.failed,
    )


def _mail(mail_id: int) -> Mail:
    found = get_mail(read_connection(), mail_id) if mail_id < 2**62 else None
    if found is None:
        abort(404)
    return found
