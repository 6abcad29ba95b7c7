"""One customer as the desk sees it: whom it is, how it stands, who serves it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, or_, select, text
from sqlalchemy.engine import Connection

from portal.db import fetch_first
from portal.domain.money import Money
from portal.models import (
    Account,
    AccountBalance,
    AccountNote,
    ChangeRequest,
    DeskTask,
    DunningCase,
    SupportMessage,
    Wallet,
)
from portal.queries.quotes import AccountBuying, select_account_buying

__all__ = ["DeskAccount", "get_desk_account", "is_served_by"]


@dataclass(frozen=True, slots=True)
class DeskAccount:
    """A customer's account: `buying` is how it buys and who serves it, the rest how it stands.

    `balance` is what the account is owed (M6); `credits` stand in its wallet, None where it never
    had any. `owed_cases` invoices are owed (M5), `suspended_cases` of them have cost the access.
    The counts are of what is open.
    """

    buying: AccountBuying
    name: str
    external_ref: str | None
    created_at: datetime
    executive_id: int | None
    invoice_recipients: tuple[str, ...]
    balance: Money
    owed_cases: int
    suspended_cases: int
    credits: int | None
    requests: int
    tasks: int
    notes: int
    messages: int

    @property
    def id(self) -> int:
        """The account's number."""
        return self.buying.account_id

    @property
    def currency(self) -> str:
        """The one currency of the account."""
        return self.buying.currency

    @property
    def time_zone(self) -> str:
        """What rules the account's periods and dates (P3)."""
        return self.buying.time_zone

    @property
    def by_transfer(self) -> bool:
        """Whether the customer pays by bank transfer, so that the desk makes the changes."""
        return self.buying.payment_terms == "bank_transfer"


def is_served_by() -> Any:
    """The condition that an account is one of staff member `staff_id`'s, or that this is None."""
    wanted = bindparam("staff_id", type_=Account.account_executive_id.type)
    return or_(wanted.is_(None), Account.account_executive_id == wanted)


def _of_account(column: Any, *conditions: Any) -> Any:
    return select(column).where(*conditions).correlate(Account).scalar_subquery()


# Written out, so that both databases see that the partial indexes of what is open hold them.
_OPEN_CASES = (DunningCase.account_id == Account.id, text("dunning_case.status = 'open'"))
_DESK_ACCOUNT = (
    select_account_buying()
    .add_columns(
        Account.name,
        Account.external_ref,
        Account.created_at,
        Account.account_executive_id,
        Account.invoice_recipients,
        _of_account(
            func.coalesce(func.sum(AccountBalance.amount_minor), 0),
            AccountBalance.account_id == Account.id,
        ),
        _of_account(func.count(DunningCase.id), *_OPEN_CASES),
        _of_account(func.count(DunningCase.suspended_at), *_OPEN_CASES),
        _of_account(Wallet.balance, Wallet.account_id == Account.id),
        _of_account(
            func.count(ChangeRequest.id),
            ChangeRequest.account_id == Account.id,
            ChangeRequest.closed_at.is_(None),
        ),
        _of_account(
            func.count(DeskTask.id),
            DeskTask.account_id == Account.id,
            text("desk_task.done_at IS NULL"),
        ),
        _of_account(
            func.count(AccountNote.id),
            AccountNote.account_id == Account.id,
            AccountNote.removed_at.is_(None),
        ),
        _of_account(
            func.count(SupportMessage.id),
            SupportMessage.account_id == Account.id,
            SupportMessage.status == "new",
        ),
    )
    .where(is_served_by())
)


def get_desk_account(
    connection: Connection, account_id: int, staff_id: int | None
) -> DeskAccount | None:
    """The account, or None where there is none, or where `staff_id` does not serve it.

    `staff_id` is the account executive who looks; None looks at every account.
    """
    row = fetch_first(connection, _DESK_ACCOUNT, account_id=account_id, staff_id=staff_id)
    if row is None:
        return None
    width = len(AccountBuying.__slots__)
    buying = AccountBuying(*row[:width])
    name, external_ref, created_at, executive_id, recipients, balance, *counts = row[width:]
    return DeskAccount(
        buying, name, external_ref, created_at, executive_id, tuple(recipients or ()),
        Money(int(balance), buying.currency), *counts,
    )  # fmt: skip
