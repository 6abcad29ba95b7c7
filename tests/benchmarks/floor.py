"""The floor: about the least a translated page of a company's data can cost in Flask.

A signed session cookie, three prebuilt Core statements over the same database, a Jinja page of
23 KB with 60 translated strings, flask-babel as its documentation shows it. No sign-in, no
forms, no CSRF, no headers. On PostgreSQL it reads in autocommit, as the portal does.

    gunicorn tests.benchmarks.floor:app     with DATABASE_URL, SECRET_KEY, FLOOR_TRANSLATIONS
"""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa
from flask import Flask, abort, render_template, session
from flask_babel import Babel

LOCALE = "de"
PAGE_BYTES = 23_000
STRINGS = 60


def message(number: int) -> str:
    """The English of one of the 60 strings."""
    return f"What sentence number {number} of the floor says"


def write_translations(folder: Path) -> None:
    """A compiled German catalogue of the 60 strings, where flask-babel looks for it."""
    from babel.messages import Catalog
    from babel.messages.mofile import write_mo

    catalogue = Catalog(locale=LOCALE)
    for number in range(STRINGS):
        catalogue.add(message(number), f"Was Satz Nummer {number} des Bodens sagt")
    target = folder / LOCALE / "LC_MESSAGES"
    target.mkdir(parents=True, exist_ok=True)
    with (target / "messages.mo").open("wb") as file:
        write_mo(file, catalogue)


def create_floor(database_url: str, secret_key: str, translations: str) -> Flask:
    """The floor as a WSGI app."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=secret_key,
        SESSION_COOKIE_NAME="floor",
        BABEL_TRANSLATION_DIRECTORIES=translations,
    )
    Babel(app, locale_selector=lambda: session.get("locale", "en"))
    options = {"isolation_level": "AUTOCOMMIT"} if database_url.startswith("postgresql") else {}
    engine = sa.create_engine(database_url, **options)

    person, subscription = (
        _table("person", "id name email"),
        _table("subscription", "id account_id product_id status started_on"),
    )
    assignment = _table("assignment", "id item_id member_id assigned_at freed_at")
    member = _table("member", "id account_id person_id role status")
    person_statement = sa.select(person).where(person.c.id == sa.bindparam("person_id"))
    subscriptions = sa.select(subscription).where(
        subscription.c.account_id == sa.bindparam("account_id")
    )
    people = (
        sa.select(person.c.name, person.c.email, member.c.role, assignment.c.item_id)
        .select_from(member)
        .join(person, person.c.id == member.c.person_id)
        .join(assignment, assignment.c.member_id == member.c.id)
        .where(member.c.account_id == sa.bindparam("account_id"), assignment.c.freed_at.is_(None))
        .order_by(assignment.c.id)
        .limit(24)
    )

    @app.get("/")
    def page() -> str:
        if "person_id" not in session:
            abort(401)
        with engine.connect() as connection:
            who = connection.execute(person_statement, {"person_id": session["person_id"]}).one()
            account = {"account_id": session["account_id"]}
            owned = connection.execute(subscriptions, account).all()
            holders = connection.execute(people, account).all()
        return render_template("floor.html", who=who, owned=owned, holders=holders)

    return app


def _table(name: str, columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in columns.split()))


def _from_environment() -> Flask:
    return create_floor(
        os.environ["DATABASE_URL"], os.environ["SECRET_KEY"], os.environ["FLOOR_TRANSLATIONS"]
    )


if "FLOOR_TRANSLATIONS" in os.environ:
    app = _from_environment()
