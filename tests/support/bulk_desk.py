"""Many customers as the desk meets them: most with nothing but a name, some with work waiting."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from portal.models import (
    Account,
    AccountNote,
    AccountWord,
    ChangeRequest,
    DeskTask,
    Invoice,
    Person,
    ServiceRequest,
    SupportMessage,
)
from portal.models.account_words import words_of_row
from tests.support.bulk import Customer, Customers

__all__ = ["DeskCustomers"]


class DeskCustomers(Customers):
    """Customers with the rows that the desk's pages read."""

    def add_bare(self, name: str, executive_id: int | None) -> Customer:
        """One account with its admin and the words that find it, and nothing else."""
        number = self._next_id(Account)
        values = self._account(number, self.locale) | {
            "name": name, "company_name": name, "account_executive_id": executive_id,
        }  # fmt: skip
        account_id = self._row(Account, **values)
        self._add_words(self.rows[Account][-1])
        member_id = self._member(account_id, number, 0, self.locale)
        return Customer(account_id, self.rows[Person][-1]["id"], [member_id])

    def _add_words(self, account: dict[str, Any]) -> None:
        """Those that the ORM would write."""
        for word in sorted(words_of_row(account)):
            self.rows[AccountWord].append({"account_id": account["id"], "word": word})

    def put_on_desk(self, customers: Iterable[Customer], executive_id: int) -> None:
        """What waits at the desk for each: a request, a message, a package, a task, a transfer, a note.

        Their accounts, which are not written yet, get their words, and every other one the account
        executive.
        """
        by_id = {row["id"]: row for row in self.rows[Account]}
        overdue = {row["account_id"]: row for row in self.rows[Invoice]}
        for place, customer in enumerate(customers):
            account_id, at = customer.account_id, self.now - timedelta(hours=place % 2_000)
            by_id[account_id]["account_executive_id"] = executive_id if place % 2 else None
            self._add_words(by_id[account_id])
            if account_id in overdue:
                overdue[account_id] |= {
                    "status": "open", "paid_minor": 0, "paid_at": None,
                    "payment_terms": "bank_transfer", "due_on": at.date() - timedelta(days=3),
                }  # fmt: skip
            self._row(
                ChangeRequest, account_id=account_id, kind="more_seats",
                item_id=customer.item_ids[0], quantity=2, target="", details="", purchase_order="",
                decline_reason="",
                status="sent", sent_at=at, sent_on=at.date(), sent_by_id=customer.person_id,
                version=1, closed_at=None,
            )  # fmt: skip
            self._row(
                SupportMessage, account_id=account_id, author_id=customer.person_id, about="Help",
                text="Help!", status="new", sent_at=at, changed_at=at,
            )  # fmt: skip
            self._row(
                ServiceRequest, account_id=account_id, package_key="done-for-you", status="asked",
                wishes="", answer="", asked_by_id=customer.person_id, order_line_id=None,
                asked_at=at, changed_at=at, closed_at=None,
            )  # fmt: skip
            self._row(
                DeskTask, account_id=account_id, kind="overhang", details={"licences": 1},
                dedupe_key=f"bulk:{account_id}", created_at=at, done_at=None, done_by_id=None,
            )  # fmt: skip
            self._row(
                AccountNote, account_id=account_id, at=at, author_id=customer.person_id,
                text="A note.", removed_at=None, removed_by_id=None,
            )  # fmt: skip
