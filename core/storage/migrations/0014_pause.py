"""A webhook can be paused: what happens meanwhile is parked."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    moment = "BIGINT" if db.for_update else "INTEGER"
    db.execute_sql(f"ALTER TABLE webhook ADD COLUMN paused_at {moment}")
