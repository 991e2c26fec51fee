"""Exports note how far they went, so that no younger event gets an id that they have passed."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    number = "BIGINT" if db.for_update else "INTEGER"
    db.execute_sql(f"ALTER TABLE last_run ADD COLUMN event_id {number} NOT NULL DEFAULT 0")
