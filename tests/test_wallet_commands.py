"""`flask wallet debit` and `flask wallet balance`: what a script of the vendor's product reads."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.commands_wallet import NOT_ENOUGH, wallet
from tests.support.wallets import fill, wallet_row

pytestmark = pytest.mark.usefixtures("app_context")


def run(app: Flask, *arguments: object) -> tuple[int, str]:
    """A command's exit status, and what it printed, errors included."""
    done = app.test_cli_runner().invoke(wallet, [str(each) for each in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output.strip()


def test_W2_a_debit_is_booked_once_for_its_key(app: Flask, books: Session) -> None:
    account_id = fill(100)
    debit = ("debit", account_id, "letter", "--quantity", 3, "--key", "a-1", "--note", "October")
    assert run(app, *debit) == (0, "12 credits were taken; the balance is 88.")
    assert run(app, *debit) == (
        0, "12 credits were taken by an earlier call with this key; it left 88.",
    )  # fmt: skip
    assert run(app, "balance", account_id) == (0, "88")
    assert run(app, "debit", account_id, "sms", "--key", "a-1") == (
        1, "The key a-1 was used for another debit.",
    )  # fmt: skip


def test_W1_too_few_credits_have_an_exit_status_of_their_own(app: Flask, books: Session) -> None:
    account_id = fill(3)
    assert run(app, "debit", account_id, "letter", "--key", "k") == (
        NOT_ENOUGH, "Refused: 1 of 4 credits are missing; the balance is 3.",
    )  # fmt: skip
    assert wallet_row(books, account_id).balance == 3


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("debit", 987654, "sms", "--key", "k"), 1, "There is no account with this number."),
        (("debit", 1, "fax", "--key", "k"), 1, "The catalogue has no usage price fax."),
        (("debit", 1, "sms", "--key", "k" * 121), 1, "A key has 1 to 120 characters."),
        (("debit", 1, "sms", "--key", "k", "--quantity", 10**8), 1,
         "A debit is of 1 to 10000000 credits."),
        (("debit", 1, "sms"), 2, "Missing option '--key'."),
        (("debit", 1, "sms", "--key", "k", "--quantity", 0), 2, "0 is not in the range x>=1."),
        (("balance", 987654), 1, "There is no account with this number."),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told(
    app: Flask, arguments: tuple[object, ...], status: int, words: str
) -> None:
    code, output = run(app, *arguments)
    assert (code, words in output) == (status, True), output
