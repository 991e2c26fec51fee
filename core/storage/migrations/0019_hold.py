"""A receiver can ask to be left alone for a while, by `Retry-After`."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    moment = "BIGINT" if db.for_update else "INTEGER"
    for column in ("held_until", "not_before"):
        db.execute_sql(f"ALTER TABLE webhook ADD COLUMN {column} {moment}")
