"""Write the first migration anew from the models. Only until the first release!

    python -m portal.migrations.regenerate

A database that was made with an older first migration is thrown away (`flask demo reset`).
After the first release a change of the models gets a migration of its own: `flask db migrate`.
"""

from __future__ import annotations

import subprocess
import sys

from alembic.autogenerate import render_python_code
from alembic.operations.ops import (
    CreateIndexOp,
    CreateTableOp,
    DowngradeOps,
    DropTableOp,
    UpgradeOps,
)

from portal import models as models
from portal.extensions import Base
from portal.migrations.head import FIRST
from portal.migrations.rendering import render_item
from portal.models.columns import APPEND_ONLY_SQL, APPEND_ONLY_TABLES

_HEAD = '''"""All tables of the first release. Written by `python -m portal.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Ledgers append (rule 5 of the road): the database refuses everything else.
APPEND_ONLY = (
{ledgers}
)
TRIGGERS = {triggers!r}


def upgrade() -> None:
    {upgrade}
    dialect = op.get_context().dialect.name
    for table in APPEND_ONLY:
        for statement in TRIGGERS[dialect]:
            op.execute(statement.format(table=table))


def downgrade() -> None:
    {downgrade}
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")
'''


def first_migration() -> str:
    """The text of the first migration, as `ruff format` wants it."""
    # Straight from the metadata: comparing with an empty SQLite would lose functional indexes.
    tables = Base.metadata.sorted_tables
    upgrade = UpgradeOps()
    for table in tables:
        upgrade.ops.append(CreateTableOp.from_table(table))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        upgrade.ops.extend(CreateIndexOp.from_index(index) for index in indexes)
    downgrade = DowngradeOps(ops=[DropTableOp.from_table(table) for table in reversed(tables)])
    text = _HEAD.format(
        ledgers="\n".join(f'    "{table}",' for table in APPEND_ONLY_TABLES),
        triggers=APPEND_ONLY_SQL,
        upgrade=render_python_code(upgrade, render_item=render_item),
        downgrade=render_python_code(downgrade, render_item=render_item),
    )
    ruff = [sys.executable, "-m", "ruff"]
    for step in (
        [*ruff, "check", "--quiet", "--fix", "--stdin-filename", str(FIRST), "-"],
        [*ruff, "format", "--quiet", "--stdin-filename", str(FIRST), "-"],
    ):
        text = subprocess.run(step, input=text, capture_output=True, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    FIRST.parent.mkdir(exist_ok=True)
    FIRST.write_text(first_migration(), encoding="utf-8")
    sys.stdout.write(f"{FIRST.name} is written.\n")
