"""/desk/operation: work that was given up and renewals that stand still, for operators."""

from __future__ import annotations

from flask import Blueprint, flash, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.labels import label_of
from portal.domain.permissions import StaffPermission
from portal.queries.failed_work import list_failed_jobs, list_failed_messages
from portal.queries.parked import ParkedRow, list_parked
from portal.services.renewals import renew_subscription
from portal.services.retrying import retry_job, retry_message
from portal.web.access import requires
from portal.web.desk.serving import acting_staff
from portal.web.locale import speech
from portal.web.pages import respond, see_other
from portal.web.signed_in import parts, read_connection, stop_reading

__all__ = ["blueprint"]

blueprint = Blueprint("desk_operation", __name__, url_prefix="/desk/operation")

_LATEST = 50


@blueprint.get("")
@requires(StaffPermission.OPERATE)
def index() -> ResponseReturnValue:
    """What was given up, and why; the latest first."""
    connection, catalogue, locale = read_connection(), parts().catalogue, speech().locale
    parked = list_parked(connection)
    return respond(
        "desk/operation/index.html",
        jobs=list_failed_jobs(connection, limit=_LATEST),
        messages=list_failed_messages(connection, limit=_LATEST),
        parked=parked[:_LATEST],
        products={row.product_key: label_of(catalogue, row.product_key, None, None, None, locale)
                  for row in parked[:_LATEST]},
        most=_LATEST,
    )  # fmt: skip


@blueprint.post("/jobs/<int:job_id>/retry")
@requires(StaffPermission.OPERATE)
def try_job(job_id: int) -> ResponseReturnValue:
    """Let the worker take it up again."""
    stop_reading()
    with transaction() as session:
        is_ours = retry_job(session, job_id, actor=acting_staff(), now=parts().clock.now())
    return _told(is_ours)


@blueprint.post("/messages/<int:outbox_id>/retry")
@requires(StaffPermission.OPERATE)
def try_message(outbox_id: int) -> ResponseReturnValue:
    """Deliver it once more."""
    stop_reading()
    with transaction() as session:
        is_ours = retry_message(session, outbox_id, actor=acting_staff(), now=parts().clock.now())
    return _told(is_ours)


@blueprint.post("/renewals/<int:subscription_id>/retry")
@requires(StaffPermission.OPERATE)
def try_renewal(subscription_id: int) -> ResponseReturnValue:
    """Renew a subscription that stands still, now; the worker does it every hour."""
    row = _parked(subscription_id)
    if row is None:
        return _told(is_ours=False)
    stop_reading()
    with transaction() as session:
        renew_subscription(session, row.account_id, subscription_id,
                           catalogue=parts().catalogue, now=parts().clock.now())  # fmt: skip
    left = _parked(subscription_id)
    if left is None:
        flash(_("The subscription of %(customer)s is renewed.", customer=row.account_name), "good")
    else:
        flash(_("The renewal for %(customer)s still stands still: %(error)s",
                customer=row.account_name, error=left.why), "warn")  # fmt: skip
    return see_other(url_for("desk_operation.index"))


def _parked(subscription_id: int) -> ParkedRow | None:
    found = (row for row in list_parked(read_connection())
             if row.subscription_id == subscription_id)  # fmt: skip
    return next(found, None)


def _told(is_ours: bool) -> ResponseReturnValue:
    if is_ours:
        flash(_("It is tried again at once."), "good")
    else:
        flash(_("This has been settled meanwhile."), "info")
    return see_other(url_for("desk_operation.index"))
