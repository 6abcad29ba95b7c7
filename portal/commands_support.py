"""`flask support`: the vendor's side of messages and service packages."""

from __future__ import annotations

import textwrap
from typing import NoReturn, TextIO, cast

import click
from flask import current_app
from flask.cli import AppGroup

from portal.db import reading, transaction
from portal.domain.errors import DomainError
from portal.domain.service_packages import RequestStatus
from portal.parts import Parts
from portal.queries.support import (
    get_message,
    list_waiting_messages,
    list_waiting_requests,
)
from portal.services.service_requests import answer_request
from portal.services.support_answers import answer_message, close_message, staff_actor

__all__ = ["support"]

support = AppGroup("support", help="Messages of customers, and the service packages they ask for.")

_MOST = 500
_WIDTH = 100
_REFUSALS = {
    "answer_empty": "The answer is empty.",
    "message_unknown": "There is no message with this number.",
    "request_unknown": "There is no request with this number.",
    "request_moved_on": "This request is {status}; that cannot follow.",
    "staff_unknown": "Nobody of the vendor's staff has this e-mail address.",
}
_by = click.option(
    "--by",
    "email",
    required=True,
    help="The e-mail address of who answers; customers see the name.",
)


@support.command("list", help="Messages that wait for an answer, the longest first.")
@click.option("--all", "everything", is_flag=True, help="Answered and closed ones, too.")
def list_(everything: bool) -> None:
    """A line a message."""
    with reading() as connection:
        found = list_waiting_messages(connection, everything=everything, limit=_MOST)
    for one in found:
        click.echo(f"{one.id}  {one.changed_at:%Y-%m-%d %H:%M}  {one.status:8}  {one.account}  "
                   f"{one.author_email}  {_line(one.about)}")  # fmt: skip
    click.echo(f"{len(found)} messages." if len(found) != 1 else "1 message.")


@support.command("show", help="Message NUMBER with all that was said.")
@click.argument("number", type=click.IntRange(min=1))
def show(number: int) -> None:
    """Who said what, when."""
    with reading() as connection:
        found = get_message(connection, None, number)
    if found is None:
        _refuse(DomainError("message_unknown"))
    message, said = found
    click.echo(f"{message.id}  {message.status}  {_line(message.about)}")
    for turn in said:
        click.echo(
            f"\n{turn.at:%Y-%m-%d %H:%M} UTC, {turn.by}{' (staff)' if turn.from_staff else ''}:"
        )
        for line in turn.text.splitlines() or [""]:
            click.echo(textwrap.fill(_line(line), _WIDTH, initial_indent="  ",
                                     subsequent_indent="  "))  # fmt: skip


@support.command(
    "answer", help="Answer message NUMBER with TEXT, or with the text of a file or pipe."
)
@click.argument("number", type=click.IntRange(min=1))
@click.argument("text", required=False)
@click.option(
    "--file", type=click.File(encoding="utf-8"), help="The answer; - is what is piped in."
)
@_by
def answer(number: int, text: str | None, file: TextIO | None, email: str) -> None:
    """It stands on the message's page and goes out by e-mail."""
    if (text is None) == (file is None):
        raise click.UsageError("Give the answer as TEXT, or with --file.")
    words = file.read() if file is not None else text or ""
    parts = _parts()
    try:
        with transaction() as session:
            message = answer_message(session, number, words, catalogue=parts.catalogue,
                                     actor=staff_actor(session, email),
                                     now=parts.clock.now())  # fmt: skip
            about = message.about
    except DomainError as error:
        _refuse(error)
    click.echo(f"Answered: {_line(about)}")


@support.command("close", help="Nothing more is to be done about message NUMBER.")
@click.argument("number", type=click.IntRange(min=1))
@_by
def close(number: int, email: str) -> None:
    """The customer can go on with it all the same."""
    parts = _parts()
    try:
        with transaction() as session:
            close_message(session, number, actor=staff_actor(session, email),
                          now=parts.clock.now())  # fmt: skip
    except DomainError as error:
        _refuse(error)
    click.echo("Closed.")


@support.command(
    "packages", help="Service packages that were asked for or bought, and are not done."
)
def packages() -> None:
    """A line a request, the longest first."""
    with reading() as connection:
        found = list_waiting_requests(connection, limit=_MOST)
    for one in found:
        click.echo(f"{one.id}  {one.changed_at:%Y-%m-%d %H:%M}  {one.status:9}  {one.account}  "
                   f"{one.asker_email}  {one.package_key}")  # fmt: skip
    click.echo(f"{len(found)} requests." if len(found) != 1 else "1 request.")


@support.command("package", help="Say how request NUMBER for a service package goes on.")
@click.argument("number", type=click.IntRange(min=1))
@click.argument("word", type=click.Choice(["confirmed", "declined", "done"]))
@click.argument("text", required=False, default="")
@_by
def package(number: int, word: str, text: str, email: str) -> None:
    """Who asked is told by e-mail, with TEXT; what is confirmed can be bought."""
    parts = _parts()
    try:
        with transaction() as session:
            request = answer_request(session, number, RequestStatus(word), text,
                                     catalogue=parts.catalogue,
                                     actor=staff_actor(session, email),
                                     now=parts.clock.now())  # fmt: skip
            key = request.package_key
    except DomainError as error:
        _refuse(error)
    click.echo(f"{key}: {word}")


def _parts() -> Parts:
    return cast(Parts, current_app.extensions["portal"])


def _line(text: str) -> str:
    """What a customer typed, without what could play tricks on a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _refuse(error: DomainError) -> NoReturn:
    click.echo(_REFUSALS.get(error.code, error.code).format(**error.data), err=True)
    raise SystemExit(1)
