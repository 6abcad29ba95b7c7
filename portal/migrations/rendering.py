"""How the tables are written down in a migration: plain SQLAlchemy, nothing of the models."""

from __future__ import annotations

from typing import Any, Literal

from portal.models.columns import UtcDateTime

__all__ = ["include_object", "render_item"]


def render_item(kind: str, item: Any, _autogen: Any) -> str | Literal[False]:
    """A migration does not import the models: they change, it stays."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def include_object(_item: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
    """Alembic's own table is none of ours."""
    return not (kind == "table" and name == "alembic_version")
