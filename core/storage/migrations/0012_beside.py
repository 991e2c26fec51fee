"""An owner's own attempt of a delivery that waits is beside its schedule."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    moment = "BIGINT" if db.for_update else "INTEGER"
    db.execute_sql(f"ALTER TABLE delivery ADD COLUMN resume_at {moment}")
