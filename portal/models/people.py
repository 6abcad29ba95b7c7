"""Who signs in: persons, their membership of accounts, the vendor's staff, their sign-ins."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from sqlalchemy import JSON, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.extensions import db
from portal.models.columns import (
    Code,
    Id,
    Instant,
    LongText,
    Name,
    OptionalInstant,
    one_of,
    reference,
)


class Person(db.Model):
    """An e-mail address that signs in; `email` is stored in its normal form (`normal_email`)."""

    __tablename__ = "person"
    id: Mapped[Id]
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[Name]
    locale: Mapped[Code]
    created_at: Mapped[Instant]


class Member(db.Model):
    """A person in an account. An invited one has not signed in yet; a deactivated one reads only.

    `invited_at` is when the last invitation was mailed.
    """

    __tablename__ = "member"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id", index=False)
    person_id: Mapped[int] = reference("person.id")
    role: Mapped[Code]
    status: Mapped[Code]
    added_at: Mapped[Instant]
    invited_by_id: Mapped[int | None] = reference("person.id", index=False, nullable=True)
    invited_at: Mapped[OptionalInstant]
    deactivated_at: Mapped[OptionalInstant]
    __table_args__ = (
        UniqueConstraint("account_id", "person_id"),
        one_of("role", "admin", "billing_admin", "member"),
        one_of("status", "invited", "active", "deactivated"),
    )


class StaffMember(db.Model):
    """The vendor's own people: an account executive serves accounts, an operator all of them."""

    __tablename__ = "staff_member"
    id: Mapped[Id]
    person_id: Mapped[int] = reference("person.id", index=False)
    role: Mapped[Code]
    phone: Mapped[str | None] = mapped_column(String(40))
    working_hours: Mapped[dict[str, str] | None] = mapped_column(db.JSON)
    active: Mapped[bool] = mapped_column(default=True)
    __table_args__ = (
        UniqueConstraint("person_id"),
        one_of("role", "account_executive", "operator"),
    )


class SignInLink(db.Model):
    """A single-use link that was mailed; only the hash of its token is kept."""

    __tablename__ = "sign_in_link"
    id: Mapped[Id]
    person_id: Mapped[int] = reference("person.id")
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    used_at: Mapped[OptionalInstant]
    next_path: Mapped[LongText] = mapped_column(default="")


class SignInSession(db.Model):
    """One browser that is signed in; its token rotates, only the hash is kept.

    Each token is a row. `family` is shared by all rows of one sign-in, which end together; they are
    found among the person's, of which there are few.
    """

    __tablename__ = "sign_in_session"
    id: Mapped[Id]
    person_id: Mapped[int] = reference("person.id")
    account_id: Mapped[int | None] = reference("account.id", index=False, nullable=True)
    family: Mapped[str] = mapped_column(String(32), default=lambda: token_hex(16))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[Instant]
    rotated_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    ended_at: Mapped[OptionalInstant]
    browser: Mapped[str] = mapped_column(String(200), default="")
    address: Mapped[str] = mapped_column(String(64), default="")


class Consent(db.Model):
    """A person's recorded answer to losing access or admin rights (S7), with the words shown.

    `details` says what a yes leads to: {"when": "now"} deactivates, or gives the member the role
    {"role": …}, at once; {"when": "renewal"} lets a reduction take the person's licences.
    A request that was taken back, or replaced by another, is answered as `withdrawn`.
    """

    __tablename__ = "consent"
    id: Mapped[Id]
    member_id: Mapped[int] = reference("member.id")
    subject: Mapped[Code]
    subject_id: Mapped[int | None]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    words: Mapped[LongText]
    locale: Mapped[Code]
    asked_at: Mapped[Instant]
    asked_by_id: Mapped[int | None] = reference("person.id", index=False, nullable=True)
    answered_at: Mapped[OptionalInstant]
    answer: Mapped[str | None] = mapped_column(String(20))
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    __table_args__ = (
        one_of("subject", "deactivation", "admin_rights"),
        one_of("answer", "given", "refused", "withdrawn"),
        Index(
            "uq_consent_open",
            "member_id",
            "subject",
            unique=True,
            sqlite_where=text("answered_at IS NULL"),
            postgresql_where=text("answered_at IS NULL"),
        ),
    )
