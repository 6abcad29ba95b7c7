"""The words by which the desk finds an account (portal.domain.account_words).

They follow the account by themselves, so that no way of making or changing one can forget them;
rows that are written past the ORM bring their own.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, PrimaryKeyConstraint, String, delete, event, insert, inspect
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Mapper, mapped_column

from portal.domain.account_words import LONGEST_WORD, words_of_account
from portal.extensions import db
from portal.models.accounts import Account
from portal.models.columns import reference

__all__ = ["AccountWord", "words_of_row"]

# Compared by code points on both databases: a beginning is then a range of the index.
_WORD = String(LONGEST_WORD).with_variant(String(LONGEST_WORD, collation="C"), "postgresql")
_SOURCES = ("name", "company_name", "billing_contact", "billing_email", "vat_number",
            "external_ref")  # fmt: skip


class AccountWord(db.Model):
    """One word of one account."""

    __tablename__ = "account_word"
    account_id: Mapped[int] = reference("account.id", index=False)
    word: Mapped[str] = mapped_column(_WORD)
    __table_args__ = (
        PrimaryKeyConstraint("account_id", "word"),
        Index("ix_account_word_word", "word", "account_id"),
    )


def words_of_row(values: Any) -> set[str]:
    """The words of an account, given its columns by name."""
    names, emails = ("name", "company_name", "billing_contact"), ("billing_email",)
    numbers = ("vat_number", "external_ref")
    said = [[values.get(key) or "" for key in keys] for keys in (names, emails, numbers)]
    return words_of_account(*said)


@event.listens_for(Account, "after_insert")
@event.listens_for(Account, "after_update")
def _follow(_mapper: Mapper[Account], connection: Connection, account: Account) -> None:
    state: Any = inspect(account)
    if not any(state.attrs[key].history.has_changes() for key in _SOURCES):
        return
    connection.execute(delete(AccountWord).where(AccountWord.account_id == account.id))
    words = words_of_row({key: getattr(account, key) for key in _SOURCES})
    if words:
        connection.execute(
            insert(AccountWord),
            [{"account_id": account.id, "word": word} for word in sorted(words)],
        )
