"""Whether a database has every migration."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

__all__ = ["FIRST", "head", "is_current"]

FIRST = Path(__file__).parent / "versions" / "0001_first.py"


@cache
def head() -> str | None:
    """The newest migration of the code."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return ScriptDirectory.from_config(config).get_current_head()


def is_current(connection: Connection) -> bool:
    """Whether the database stands at `head`; False for an empty one."""
    return MigrationContext.configure(connection).get_current_revision() == head()
