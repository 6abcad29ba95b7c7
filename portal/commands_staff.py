"""`flask operator` and `flask executive`: who works for the vendor, and who does no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, cast

import click
from flask import current_app
from flask.cli import AppGroup

from portal.config import LOCALES
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.permissions import StaffRole
from portal.parts import Parts
from portal.services.staff import create_staff_member
from portal.services.staff_leaving import Left, remove_staff_member

__all__ = ["executive", "operator"]

operator = AppGroup("operator", help="The vendor's staff who see all accounts.")
executive = AppGroup("executive", help="The vendor's staff who serve their own accounts.")

_COMMANDS = {StaffRole.OPERATOR.value: "operator", StaffRole.ACCOUNT_EXECUTIVE.value: "executive"}
_REFUSALS = {
    "email_malformed": "That is no e-mail address.",
    "name_missing": "A name has 1 to 200 characters.",
    "staff_exists": "This person works for the vendor already ({role}).",
    "staff_unknown": "Nobody with this address works for the vendor.",
    "staff_other_role": "This person works for the vendor as {role}: use flask {command} remove.",
    "staff_last_operator": (
        "This is the last operator: nobody would be left who sees all accounts. Create another "
        "first, or repeat the command with --yes."
    ),
}


def _parts() -> Parts:
    return cast(Parts, current_app.extensions["portal"])


def _refuse(error: DomainError) -> NoReturn:
    command = _COMMANDS.get(str(error.data.get("role")), "")
    words = _REFUSALS.get(error.code, error.code).format(**error.data, command=command)
    click.echo(words, err=True)
    raise SystemExit(1) from None


def _creating(role: StaffRole) -> Callable[..., None]:
    def create(email: str, name: str, language: str, phone: str | None) -> None:
        """Let a person work for the vendor."""
        parts = _parts()
        try:
            with transaction() as session:
                create_staff_member(
                    session, email, name,
                    role=role, locale=language, phone=phone, now=parts.clock.now(),
                )  # fmt: skip
        except DomainError as error:
            _refuse(error)
        click.echo(f"{name} can sign in at {parts.settings.public_url}/sign-in with {email}.")

    return create


def _removing(role: StaffRole) -> Callable[..., None]:
    def remove(email: str, yes: bool) -> None:
        """Take a person's access away, and say what nobody looks after now."""
        now = _parts().clock.now()
        try:
            with transaction() as session:
                left = remove_staff_member(session, email, role=role, now=now, even_the_last=yes)
        except DomainError as error:
            _refuse(error)
        _tell(left)

    return remove


def _tell(left: Left) -> None:
    sessions = "1 session" if left.sessions == 1 else f"{left.sessions} sessions"
    click.echo(f"{left.name} ({left.email}) works for the vendor no more. {sessions} ended.")
    if not left.unserved:
        return
    click.echo("Accounts without an account executive (choose another at the desk):")
    for account_id, name in left.unserved:
        click.echo(f"  {account_id}  {name}")


def _add_commands(group: AppGroup, role: StaffRole, who: str) -> None:
    email = click.Argument(["email"])
    group.command(
        "create",
        help=f"Let EMAIL sign in as an {who}.",
        params=[
            email,
            click.Argument(["name"]),
            click.Option(["--language"], type=click.Choice(LOCALES), default="en"),
            click.Option(["--phone"], help="Customers see it beside the name."),
        ],
    )(_creating(role))
    group.command(
        "remove",
        help=f"Take the access of the {who} EMAIL away, at once.",
        params=[
            email,
            click.Option(["--yes"], is_flag=True, help="Also where it is the last operator."),
        ],
    )(_removing(role))


_add_commands(operator, StaffRole.OPERATOR, "operator")
_add_commands(executive, StaffRole.ACCOUNT_EXECUTIVE, "account executive")
