"""The schema's history (Alembic). See README.md beside this file."""
