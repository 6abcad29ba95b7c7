"""The e-mails of trials: to every active admin, in each one's language, once each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.models import OutboxMessage
from portal.queries.access_losses import list_known_keys
from portal.queries.admins import AdminOf, list_admins_of
from portal.queries.trials import UnpaidTrial
from portal.services.bulk_rows import as_json, insert_rows

__all__ = ["TrialMail", "write_trial_mails"]

_COLUMNS = (
    "account_id", "kind", "topic", "recipient", "locale", "payload", "dedupe_key", "status",
    "created_at", "available_at", "attempts", "fence", "last_error",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrialMail:
    """What to tell of a trial; of one last day, each `stage` of a topic is told once."""

    topic: str
    trial: UnpaidTrial
    stage: str
    payload: Mapping[str, Any]

    def key(self, admin: AdminOf) -> str:
        """Under which it is known that this admin was told."""
        trial = self.trial
        last_day = trial.ends_on.isoformat()
        return f"{self.topic}:{trial.subscription_id}:{last_day}:{self.stage}:{admin.member_id}"


def write_trial_mails(
    session: Session, mails: Collection[TrialMail], *, catalogue: Catalogue, now: datetime
) -> None:
    """Write them for the outbox, but for what was told before: three statements."""
    if not mails:
        return
    connection = session.connection()
    admins = list_admins_of(connection, {mail.trial.account_id for mail in mails})
    wanted = {
        mail.key(admin): (mail, admin) for mail in mails for admin in admins[mail.trial.account_id]
    }
    known = list_known_keys(connection, list(wanted))
    insert_rows(
        connection,
        OutboxMessage.__table__,
        _COLUMNS,
        [
            _row(key, mail, admin, catalogue, now)
            for key, (mail, admin) in wanted.items()
            if key not in known
        ],
    )


def _row(
    key: str, mail: TrialMail, admin: AdminOf, catalogue: Catalogue, now: datetime
) -> tuple[object, ...]:
    product = catalogue.product(mail.trial.product_key)
    payload = {
        "account_name": mail.trial.account_name,
        "product": product.name.in_(admin.locale),
        "product_key": product.key,
        "product_export_url": product.data_export_url,
        **mail.payload,
    }
    return (
        mail.trial.account_id, "mail", mail.topic, admin.email, admin.locale, as_json(payload), key,
        "waiting", now, now, 0, 0, "",
    )  # fmt: skip
