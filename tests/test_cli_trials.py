"""`flask trials`: what an operator sees of trials, and giving one more time (C5)."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select

from portal.cli import _with_commands
from portal.db import transaction
from portal.models import AuditEvent, OutboxMessage
from tests.support.buying import AMELIA, ATELIER, BRIGHTWATER, account_named


@pytest.fixture
def run(app: Flask) -> FlaskCliRunner:
    return _with_commands(app).test_cli_runner()


@pytest.fixture
def trying(app: Flask) -> str:
    """The number of the account with the demo's trial."""
    with app.app_context(), transaction() as session:
        return str(account_named(session, BRIGHTWATER).id)


def test_C5_the_list_names_every_trial_and_its_days(run: FlaskCliRunner) -> None:
    lines = run.invoke(args=["trials", "list"]).output.splitlines()
    over = "over since 2026-10-25, can be read until 2026-11-08"
    assert f"Rijwielhandel De Ketting V.O.F. (crm): {over}" in lines[0]
    assert "Brightwater Studio Ltd (crm): until 2026-11-04" in lines[1]
    assert lines[2:] == ["2 trials."]


def test_C5_an_operator_extends_a_trial_and_it_is_recorded_and_told(
    run: FlaskCliRunner, app: Flask, trying: str
) -> None:
    done = run.invoke(args=["trials", "extend", trying, "crm", "--until", "2026-11-20"])
    assert done.exit_code == 0, done.output
    assert "lasts to 2026-11-20 (so far: 2026-11-04)" in done.output
    with app.app_context(), transaction() as session:
        event = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "trial_extended")
        ).one()
        assert (event.actor_kind, event.old, event.new) == (
            "staff", {"ends_on": "2026-11-04"}, {"ends_on": "2026-11-20"},
        )  # fmt: skip
        mail = session.scalars(
            select(OutboxMessage).where(OutboxMessage.topic == "trial_extended")
        ).one()
        assert (mail.recipient, mail.payload["ends_on"]) == (AMELIA, "2026-11-20")


@pytest.mark.parametrize(
    ("until", "reason"),
    [
        ("2026-11-04", "It lasts to 2026-11-04 as it is"),
        ("2026-10-01", "This day is over where the customer is"),
        ("2028-01-01", "Name a day up to 2027-11-05"),
        ("tomorrow", "Invalid value for '--until'"),
    ],
)
def test_C5_a_day_that_is_no_extension_is_refused_with_the_reason(
    run: FlaskCliRunner, trying: str, until: str, reason: str
) -> None:
    refused = run.invoke(args=["trials", "extend", trying, "crm", "--until", until])
    assert refused.exit_code != 0
    assert reason in refused.output


def test_C5_what_is_no_trial_is_not_extended(run: FlaskCliRunner, app: Flask) -> None:
    with app.app_context(), transaction() as session:
        paying = str(account_named(session, ATELIER).id)
    for account, product, reason in (
        (paying, "crm", "This is no trial any more"),
        (paying, "sign", "This account has no trial of this product"),
        ("9999999", "crm", "There is no account with this number."),
    ):
        refused = run.invoke(
            args=["trials", "extend", account, product, "--until", "2026-12-24"]
        )  # fmt: skip
        assert refused.exit_code == 1
        assert reason in refused.output
