"""The Flask extensions, made once and bound to the app in `create_app`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from flask import Flask
from flask_babel import Babel
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_mailman import Mail
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from htmx_flask import Htmx
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Base", "LazyMigrate", "babel", "csrf", "db", "htmx", "limiter", "login_manager", "mail"]


class Base(DeclarativeBase):
    """The base of every table. Constraint names are stable: a migration can name what it drops."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class _MigrationCommands(click.Command):
    """`flask db …`: Flask-Migrate's own group of commands, imported when it is used."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **more: Any,
    ) -> click.Context:
        from flask_migrate.cli import db as commands  # type: ignore[import-not-found]

        context: click.Context = commands.make_context(info_name, args, parent, **more)
        return context


class LazyMigrate:
    """Flask-Migrate once something asks for it: Alembic is 11 MB and 0.3 s of a web worker's start.

    It stands in for what Flask-Migrate leaves in `app.extensions["migrate"]`.
    """

    def init_app(self, app: Flask, directory: Path) -> None:
        """Know where the migrations are, and offer `flask db`."""
        self._app, self._directory = app, directory
        app.extensions["migrate"] = self
        app.cli.add_command(_MigrationCommands("db", help="Perform database migrations."))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        from flask_migrate import Migrate

        Migrate(self._app, db, directory=str(self._directory))  # takes this one's place
        return getattr(self._app.extensions["migrate"], name)


db = SQLAlchemy(model_class=Base, session_options={"autoflush": False, "expire_on_commit": False})
babel = Babel()
htmx = Htmx()
csrf = CSRFProtect()
login_manager = LoginManager()
limiter = Limiter(key_func=get_remote_address)
mail = Mail()
