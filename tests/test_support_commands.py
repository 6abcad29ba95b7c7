"""`flask support`: the vendor's people list, read and answer what customers write."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy.orm import Session

from portal.cli import _with_commands
from portal.models import ServiceRequest, SupportMessage
from portal.parts import Parts
from tests.support.buying import LOTTE
from tests.support.support import HUGO, asked, mails_of, sent


@pytest.fixture
def run(app: Flask) -> FlaskCliRunner:
    return _with_commands(app).test_cli_runner()


@pytest.fixture
def number(app: Flask, parts: Parts) -> int:
    with app.app_context():
        return sent(parts, "Our invoice", "What is it for?\n\x1b[31mHello")


@pytest.fixture
def request_number(app: Flask, parts: Parts) -> int:
    with app.app_context():
        return asked(parts)


def test_what_waits_is_listed_and_read(run: FlaskCliRunner, number: int) -> None:
    listed = run.invoke(args=["support", "list"])
    assert listed.exit_code == 0, listed.output
    assert f"{number}  2026-10-29 09:00  new       Atelier Noordzee BV  {LOTTE}  Our invoice" in (
        listed.output
    )
    shown = run.invoke(args=["support", "show", str(number)])
    assert "Lotte Verbeke:" in shown.output
    assert "  What is it for?" in shown.output
    assert "\x1b" not in shown.output  # what a customer typed does nothing to a terminal


def test_a_message_is_answered_by_somebody_with_a_name(
    run: FlaskCliRunner, number: int, books: Session
) -> None:
    done = run.invoke(args=["support", "answer", str(number), "It is your renewal.", "--by", HUGO])
    assert (done.exit_code, done.output) == (0, "Answered: Our invoice\n")
    assert books.get_one(SupportMessage, number).status == "answered"
    [mail] = mails_of(books, "support_answered")
    assert mail.payload["answered_by"] == "Hugo Peeters"
    assert f"\n{number}  " not in "\n" + run.invoke(args=["support", "list"]).output
    assert f"\n{number}  " in "\n" + run.invoke(args=["support", "list", "--all"]).output
    assert "Hugo Peeters (staff):" in run.invoke(args=["support", "show", str(number)]).output


def test_a_long_answer_comes_from_a_file_or_a_pipe(
    run: FlaskCliRunner, number: int, books: Session, tmp_path: Path
) -> None:
    file = tmp_path / "answer.txt"
    file.write_text("Grüße\nfrom a file", encoding="utf-8")
    by = ["--by", HUGO]
    assert (
        run.invoke(args=["support", "answer", str(number), "--file", str(file), *by]).exit_code == 0
    )
    piped = run.invoke(args=["support", "answer", str(number), "--file", "-", *by], input="Piped")
    assert piped.exit_code == 0
    assert [mail.payload["text"] for mail in mails_of(books, "support_answered")] == [
        "Grüße\nfrom a file", "Piped",
    ]  # fmt: skip
    both = ["support", "answer", str(number), "Text", "--file", str(file), *by]
    assert run.invoke(args=both).exit_code == 2
    assert run.invoke(args=["support", "answer", str(number), *by]).exit_code == 2


def test_a_message_is_closed(run: FlaskCliRunner, number: int, books: Session) -> None:
    done = run.invoke(args=["support", "close", str(number), "--by", HUGO])
    assert (done.exit_code, done.output) == (0, "Closed.\n")
    assert books.get_one(SupportMessage, number).status == "closed"


def test_a_request_for_a_package_goes_on(
    run: FlaskCliRunner, request_number: int, books: Session
) -> None:
    listed = run.invoke(args=["support", "packages"])
    assert f"{request_number}  2026-10-29 09:00  asked      Atelier Noordzee BV" in listed.output
    args = ["support", "package", str(request_number)]
    done = run.invoke(args=[*args, "confirmed", "Delta begins in May.", "--by", HUGO])
    assert (done.exit_code, done.output) == (0, "done-for-you: confirmed\n")
    assert books.get_one(ServiceRequest, request_number).answer == "Delta begins in May."
    again = run.invoke(args=[*args, "confirmed", "--by", HUGO])
    assert (again.exit_code, again.output) == (
        1,
        "This request is confirmed; that cannot follow.\n",
    )
    assert run.invoke(args=[*args, "done", "--by", HUGO]).exit_code == 0
    assert f"\n{request_number}  " not in "\n" + run.invoke(args=["support", "packages"]).output


@pytest.mark.parametrize(
    ("args", "refusal"),
    [
        (["show", "987654321"], "There is no message with this number.\n"),
        (["answer", "987654321", "Hi", "--by", HUGO], "There is no message with this number.\n"),
        (["close", "987654321", "--by", HUGO], "There is no message with this number.\n"),
        (["package", "987654321", "done", "--by", HUGO], "There is no request with this number.\n"),
        (["close", "1", "--by", LOTTE],
         "Nobody of the vendor's staff has this e-mail address.\n"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_one_line(
    run: FlaskCliRunner, args: list[str], refusal: str
) -> None:
    refused = run.invoke(args=["support", *args])
    assert (refused.exit_code, refused.output) == (1, refusal)


def test_an_empty_answer_is_refused(run: FlaskCliRunner, number: int, books: Session) -> None:
    refused = run.invoke(args=["support", "answer", str(number), "  ", "--by", HUGO])
    assert (refused.exit_code, refused.output) == (1, "The answer is empty.\n")
    assert books.get_one(SupportMessage, number).status == "new"
