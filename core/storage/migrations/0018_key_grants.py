"""A key may be granted to read what was published, without the terminal UI."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    truth = "BOOLEAN" if db.for_update else "INTEGER"
    db.execute_sql(f"ALTER TABLE member_key ADD COLUMN may_export {truth} NOT NULL DEFAULT FALSE")
