"""What an outage abandoned is found over many webhooks at once, and goes out at a pace."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    moment = "BIGINT" if db.for_update else "INTEGER"
    lost = "delivery (webhook_id, settled_at, id) WHERE recovery = 'due'"
    for statement in (
        f"ALTER TABLE webhook ADD COLUMN recovered_to {moment}",
        f"CREATE INDEX delivery_recovery ON {lost}",
    ):
        db.execute_sql(statement)
