"""What was abandoned in the order of a history: a page of it costs the same at any length."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    db.execute_sql(
        "CREATE INDEX delivery_given_up ON delivery (webhook_id, id) WHERE status = 'abandoned'"
    )
