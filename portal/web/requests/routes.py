"""/requests: asking the account executive for a change, and following it to its end."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.errors import DomainError, Rejected
from portal.domain.permissions import Permission
from portal.domain.pricing import decide_vendor_tax
from portal.domain.requests import (
    RequestKind,
    RequestStatus,
    RequestStep,
    Wanted,
    can_take,
    plan_timeline,
)
from portal.domain.seat_removal import plan_seat_removal
from portal.queries.holders import count_active_admins, list_subscription_held
from portal.queries.quotes import AccountBuying, get_account_buying
from portal.queries.requests import get_request, get_story, list_requests
from portal.queries.subscriptions import list_subscription_states
from portal.services.request_sending import send_request, withdraw_request, write_message
from portal.web.access import requires, stays_open
from portal.web.acting import acting_person
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.requests.forms import RequestForm, SayForm, WordsForm, request_form
from portal.web.requests.views import (
    Asked,
    Choice,
    LessThen,
    MoreNow,
    asked_items,
    choice_of,
    less_then,
    more_now,
    request_view,
    request_views,
)
from portal.web.signed_in import account, parts, read_connection, stop_reading

__all__ = ["blueprint"]

blueprint = Blueprint("requests", __name__, url_prefix="/requests")

PAGE = 20
_LAST_PAGE = 10_000


@blueprint.get("")
@requires(Permission.BUY)
def index() -> ResponseReturnValue:
    """Every request of the account, the newest first."""
    page_text = request.args.get("page", "1")
    page = int(page_text) if page_text.isascii() and page_text.isdigit() else 0
    if not 1 <= page <= _LAST_PAGE:
        abort(404)
    connection, who = read_connection(), account()
    found = list_requests(connection, who.id, limit=PAGE + 1, offset=(page - 1) * PAGE)
    if page > 1 and not found:
        abort(404)
    return respond(
        "requests/index.html",
        "requests/_list.html",
        requests=request_views(found[:PAGE], parts().catalogue, speech().locale),
        has_more=len(found) > PAGE,
        page=page,
        buying=get_account_buying(connection, who.id),
        vendor=parts().catalogue.vendor,
    )


@dataclass(frozen=True, slots=True)
class _New:
    """The page of a new request of one kind; `asked` is None for one in words."""

    kind: RequestKind
    choices: tuple[Choice, ...]
    asked: Asked | None
    buying: AccountBuying

    @property
    def here(self) -> str:
        item = self.asked.chosen.item.item_id if self.asked is not None else None
        return url_for("requests.new", kind=self.kind.value, item=item)


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Permission.BUY)
def new() -> ResponseReturnValue:
    """Choose what to ask for; then how many, with what it would come to; then send it.

    A POST with `action=preview` (the button without JavaScript, htmx while typing) writes nothing.
    """
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    buying = get_account_buying(connection, who.id)
    if who.payment_terms != "bank_transfer":
        return _start(buying, 422 if request.method == "POST" else 200)
    if not request.args.get("kind"):
        return _start(buying, 422 if request.method == "POST" else 200)
    try:
        kind = RequestKind(request.args["kind"])
    except ValueError:
        abort(404)
    if kind is RequestKind.OTHER:
        return _ask(_New(kind, (), None, buying))
    today, locale = parts().clock.today(who.time_zone), speech().locale
    states = list_subscription_states(connection, who.id, today)
    choices = asked_items(states, kind, catalogue, locale)
    wanted = request.args.get("item", type=int)
    chosen = next((c for c in choices if wanted in (None, c.item.item_id)), None)
    if chosen is None:
        if "item" in request.args:
            abort(404)
        return _start(buying, 422 if request.method == "POST" else 200, nothing_runs=True)
    try:
        asked = choice_of(chosen, kind, catalogue, today, locale)
    except DomainError as error:  # it ends, so that there is no renewal to wait for
        return _start(buying, 422 if request.method == "POST" else 200, error_sentence(error))
    return _ask(_New(kind, choices, asked, buying))


def _start(
    buying: AccountBuying, status: int, problem: str | None = None, *, nothing_runs: bool = False
) -> ResponseReturnValue:
    return respond(
        "requests/start.html",
        None,
        status,
        buying=buying,
        vendor=parts().catalogue.vendor,
        problem=problem,
        nothing_runs=nothing_runs,
    )


def _ask(page: _New) -> ResponseReturnValue:
    """The form, what it would come to, and the way onwards once it is sent."""
    form = request_form(page.kind, page.asked.targets if page.asked is not None else ())
    if request.method == "GET":
        if page.kind.counts and isinstance(form, RequestForm):
            form.quantity.data = form.quantity.data or request.args.get("quantity", "")
        return _answer(page, form, 200)
    preview = request.form.get("action") == "preview"
    if not form.validate():
        return _answer(page, form, 422)
    try:
        wanted = _wanted(page, form)
        if preview:
            return _answer(page, form, 200)
        stop_reading()
        with transaction() as session:
            sent = send_request(
                session, account().id, wanted, catalogue=parts().catalogue,
                actor=acting_person(), now=parts().clock.now(),
            ).id  # fmt: skip
    except DomainError as error:
        if isinstance(error, Rejected):
            form.problems(error)
        else:
            form.problem("", error_sentence(error))
        return _answer(page, form, 422)
    flash(_("Your request is on its way. You follow it here, and by e-mail."), "good")
    return see_other(url_for("requests.show", request_id=sent))


def _wanted(page: _New, form: RequestForm | WordsForm) -> Wanted:
    """What was typed; Rejected for a number that is none."""
    details, order = form.details.data or "", form.purchase_order.data or ""
    if page.asked is None or not isinstance(form, RequestForm):
        return Wanted(page.kind, details=details, purchase_order=order)
    return Wanted(
        page.kind,
        item_id=page.asked.chosen.item.item_id,
        quantity=form.number() if page.kind.counts else None,
        target="" if page.kind.counts else form.target.data or "",
        details=details,
        purchase_order=order,
    )


def _answer(page: _New, form: RequestForm | WordsForm, status: int) -> ResponseReturnValue:
    more, less = _estimate(page, form) if not form.errors else (None, None)
    return respond(
        "requests/ask.html",
        "requests/_estimate.html",
        status,
        page=page,
        form=form,
        more=more,
        less=less,
        notice_days=parts().catalogue.policy.change_notice_days,
        vendor=parts().catalogue.vendor,
    )


def _estimate(page: _New, form: RequestForm | WordsForm) -> tuple[MoreNow | None, LessThen | None]:
    """What the number typed would come to; nothing where it cannot be told, as a person decides."""
    if page.asked is None or not page.kind.counts or not isinstance(form, RequestForm):
        return None, None
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    buying, chosen = page.buying, page.asked.chosen
    today = parts().clock.today(who.time_zone)
    tax = decide_vendor_tax(
        catalogue.vendor, buying.country, buying.vat_number, buying.vat_status
    )  # fmt: skip
    try:
        number = form.number()
        if page.kind is RequestKind.MORE_SEATS:
            return more_now(chosen, number, tax, today, buying.currency), None
        held = list_subscription_held(connection, who.id, chosen.state.subscription_id)
        removal = plan_seat_removal(
            chosen.state, chosen.item.item_id, number, held=[one.held for one in held],
            active_admins=count_active_admins(connection, who.id), asked_on=today,
            notice_days=catalogue.policy.change_notice_days,
        )  # fmt: skip
    except DomainError:
        return None, None
    return None, less_then(removal, tax, buying.currency)


@blueprint.get("/<int:request_id>")
@requires(Permission.BUY)
def show(request_id: int) -> ResponseReturnValue:
    """A request: where it stands, what happens next, and what was said about it."""
    return _show(request_id, SayForm(), 200)


@blueprint.post("/<int:request_id>/messages")
@requires(Permission.BUY)
@stays_open
def say(request_id: int) -> ResponseReturnValue:
    """Write to the account executive about a request."""
    form = SayForm()
    if get_request(read_connection(), account().id, request_id) is None:
        abort(404)
    if form.validate():
        try:
            stop_reading()
            with transaction() as session:
                write_message(
                    session, account().id, request_id, form.text.data or "",
                    catalogue=parts().catalogue, actor=acting_person(), now=parts().clock.now(),
                )  # fmt: skip
        except DomainError as error:
            form.problem("", error_sentence(error))
        else:
            flash(_("Your message is on its way."), "good")
            return see_other(url_for("requests.show", request_id=request_id))
    return _show(request_id, form, 422)


@blueprint.post("/<int:request_id>/withdraw")
@requires(Permission.BUY)
@stays_open
def withdraw(request_id: int) -> ResponseReturnValue:
    """Take a request back."""
    if get_request(read_connection(), account().id, request_id) is None:
        abort(404)
    version = request.form.get("version", type=int) or 0
    stop_reading()
    try:
        with transaction() as session:
            withdraw_request(
                session, account().id, request_id, version=version, catalogue=parts().catalogue,
                actor=acting_person(), now=parts().clock.now(),
            )  # fmt: skip
    except DomainError as error:
        return _show(request_id, SayForm(formdata=None), 422, error_sentence(error))
    flash(_("Your request is withdrawn."), "good")
    return see_other(url_for("requests.show", request_id=request_id))


def _show(
    request_id: int, form: SayForm, status: int, problem: str | None = None
) -> ResponseReturnValue:
    connection, who, catalogue = read_connection(), account(), parts().catalogue
    found = get_request(connection, who.id, request_id)
    if found is None:
        abort(404)
    story = get_story(connection, request_id)
    kind, reached = RequestKind(found.kind), RequestStatus(found.status)
    return respond(
        "requests/show.html",
        None,
        status,
        asked=request_view(found, catalogue, speech().locale),
        timeline_entries=plan_timeline(kind, reached, story.steps),
        said=story.said,
        may_withdraw=can_take(kind, reached, RequestStep.WITHDRAW),
        form=form,
        problem=problem,
        buying=get_account_buying(connection, who.id),
        vendor=catalogue.vendor,
    )
