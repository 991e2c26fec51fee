"""Outages of a webhook's address, what is sent again after one, and fresh deliveries first."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    moment, truth = ("BIGINT", "BOOLEAN") if db.for_update else ("INTEGER", "INTEGER")
    due = "delivery (webhook_id, status, due_at, id) WHERE due_at IS NOT NULL"
    for statement in (
        f"ALTER TABLE webhook ADD COLUMN down_since {moment}",
        f"ALTER TABLE webhook ADD COLUMN up_since {moment}",
        f"ALTER TABLE webhook ADD COLUMN is_recovering {truth} NOT NULL DEFAULT FALSE",
        "CREATE INDEX webhook_recovering ON webhook (id) WHERE is_recovering = TRUE",
        "ALTER TABLE delivery ADD COLUMN recovery TEXT",
        f"ALTER TABLE attempt ADD COLUMN recovery {truth} NOT NULL DEFAULT FALSE",
        "DROP INDEX delivery_due",
        f"CREATE INDEX delivery_due ON {due}",
    ):
        db.execute_sql(statement)
