"""Who is signed in: one statement a request, session and person and account together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import bindparam, case, func, or_, select, text
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.domain.money import Money
from portal.domain.permissions import StaffRole
from portal.models import (
    UNPAID_TRIAL,
    Account,
    DunningCase,
    Invoice,
    Member,
    Person,
    Product,
    SignInSession,
    StaffMember,
    Subscription,
    SupportMessage,
)

__all__ = ["AccountFacts", "SignedIn", "TrialFacts", "get_signed_in"]


@dataclass(frozen=True, slots=True)
class TrialFacts:
    """A trial of the account that nobody bought: it runs, or it is over and can only be read."""

    product_key: str
    status: str
    ends_on: date
    read_only_from: date | None


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What every page needs to know of the current account.

    `owed_cases` invoices are owed (M5), `owed` together; one whose debit is on its way is not.
    `access_ends_on` is the earliest day on which access is suspended for one of them, and it is
    already where `is_suspended`. `owed_because` is the decline's code, known where one is owed.
    `trials` are counted down on every page, the first to end before the others.
    """

    id: int
    name: str
    locale: str
    time_zone: str
    currency: str
    payment_terms: str
    owed_cases: int = 0
    access_ends_on: date | None = None
    is_suspended: bool = False
    owed: Money | None = None
    owed_because: str = ""
    trials: tuple[TrialFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The person behind a request; outside an account `account` and what follows are None.

    `waiting_messages` wait for an answer of one of the vendor's people, at whom they serve.
    """

    session_id: int
    person_id: int
    name: str
    email: str
    locale: str
    account: AccountFacts | None
    member_id: int | None
    role: str | None
    member_status: str | None
    account_count: int
    staff_id: int | None
    staff_role: str | None
    waiting_messages: int

    is_authenticated = True
    is_active = True
    is_anonymous = False


_ACCOUNT_COUNT = (
    select(func.count())
    .where(Member.person_id == Person.id, Member.status != "invited")
    .correlate(Person)
    .scalar_subquery()
)

_OPEN_CASES = (
    select(func.count(DunningCase.id))
    # Written out, so that SQLite sees that the partial index of the open cases holds it.
    .where(text("dunning_case.status = 'open'"), DunningCase.account_id == Account.id)
    .correlate(Account)
)
_UNPAID = _OPEN_CASES.join(Invoice, Invoice.id == DunningCase.invoice_id).where(
    Invoice.status == "open"
)
_OWED = tuple(
    cases.with_only_columns(what, maintain_column_froms=True).scalar_subquery()
    for cases, what in (
        (_UNPAID, func.count(DunningCase.id)),
        (_UNPAID, func.min(DunningCase.suspends_on)),
        (_OPEN_CASES, func.count(DunningCase.suspended_at)),
        (_UNPAID, func.sum(Invoice.gross_minor - Invoice.credited_minor - Invoice.paid_minor)),
        (_UNPAID, func.max(DunningCase.reason)),
    )
)

_SERVED = Account.__table__.alias("served")
# Of a customer nobody asks for the count: it is worked out for the vendor's people alone.
_WAITING_MESSAGES = case(
    (
        StaffMember.id.is_not(None),
        select(func.count(SupportMessage.id))
        .join(_SERVED, _SERVED.c.id == SupportMessage.account_id)
        .where(
            SupportMessage.status == "new",
            or_(
                StaffMember.role == StaffRole.OPERATOR.value,
                _SERVED.c.account_executive_id == StaffMember.id,
            ),
        )
        .correlate(StaffMember)
        .scalar_subquery(),
    ),
    else_=0,
)

_SIGNED_IN = (
    select(
        SignInSession.id,
        Person.id,
        Person.name,
        Person.email,
        Person.locale,
        Member.id,
        Member.role,
        Member.status,
        Account.id,
        Account.name,
        Account.locale,
        Account.time_zone,
        Account.currency,
        Account.payment_terms,
        _ACCOUNT_COUNT,
        StaffMember.id,
        StaffMember.role,
        _WAITING_MESSAGES,
        *_OWED,
        Product.key,
        Subscription.status,
        Subscription.trial_ends_on,
        Subscription.read_only_from,
    )
    .select_from(SignInSession)
    .join(Person, Person.id == SignInSession.person_id)
    .outerjoin(
        Member,
        (Member.person_id == SignInSession.person_id)
        & (Member.account_id == SignInSession.account_id)
        & (Member.status != "invited"),
    )
    .outerjoin(Account, Account.id == Member.account_id)
    .outerjoin(StaffMember, (StaffMember.person_id == Person.id) & StaffMember.active)
    # One row a trial; hardly any account has more than one.
    .outerjoin(Subscription, (Subscription.account_id == Account.id) & UNPAID_TRIAL)
    .outerjoin(Product, Product.id == Subscription.product_id)
    .where(
        SignInSession.token_hash == bindparam("token_hash"),
        SignInSession.ended_at.is_(None),
        SignInSession.expires_at > bindparam("now"),
    )
    .order_by(Subscription.trial_ends_on, Subscription.id)
)


def get_signed_in(connection: Connection, token_hash: str, now: datetime) -> SignedIn | None:
    """The session of `token_hash` (SHA-256, hex) that has neither ended nor expired, or None."""
    rows = fetch_all(connection, _SIGNED_IN, token_hash=token_hash, now=now)
    if not rows:
        return None
    row, account = rows[0], None
    if row[8] is not None:
        trials = tuple(TrialFacts(*each[23:27]) for each in rows if each[23] is not None)
        owed = Money(int(row[21]), row[12]) if row[21] else None
        because = row[22] or "" if row[18] == 1 else ""
        account = AccountFacts(*(*row[8:14], *row[18:20], row[20] > 0, owed, because, trials))
    return SignedIn(*(*row[0:5], account, *row[5:8], *row[14:18]))
