"""A webhook can have a pace, and its starts are reserved on its row."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    moment = "BIGINT" if db.for_update else "INTEGER"
    db.execute_sql("ALTER TABLE webhook ADD COLUMN pace TEXT")
    db.execute_sql(f"ALTER TABLE webhook ADD COLUMN paced_to {moment}")
