"""Invoices that could not be collected, and how far the reminders have come (M5)."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.extensions import db
from portal.models.columns import Code, Id, Instant, OptionalInstant, one_of, reference


class DunningCase(db.Model):
    """One invoice that is owed: one case each, which opens again if its money is taken back (M4).

    Days are the account's local ones, counted from `started_on`. `step` counts the policy's days
    that were dealt with; on `next_on` something is due. `reason` is the last decline's code;
    `stopped_because` is set where no retry is made any more. `suspends_on` is None where the
    invoice is for nothing that could be suspended: credits, a service. `suspended_at` is set while access is
    suspended for this invoice.
    """

    __tablename__ = "dunning_case"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id", index=False)
    invoice_id: Mapped[int] = reference("invoice.id", index=False)
    started_on: Mapped[date]
    step: Mapped[int]
    next_on: Mapped[date | None]
    suspends_on: Mapped[date | None]
    told_on: Mapped[date | None]
    suspended_at: Mapped[OptionalInstant]
    reason: Mapped[str] = mapped_column(String(60), default="")
    stopped_because: Mapped[str | None] = mapped_column(String(60))
    status: Mapped[Code]
    opened_at: Mapped[Instant]
    closed_at: Mapped[OptionalInstant]
    __table_args__ = (
        one_of("status", "open", "recovered", "ended"),
        Index("uq_dunning_case_invoice_id", "invoice_id", unique=True),
        Index(
            "ix_dunning_case_due",
            "next_on",
            "id",
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
        # Every page asks whether its account owes anything.
        Index(
            "ix_dunning_case_open",
            "account_id",
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
    )
