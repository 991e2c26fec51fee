"""Each webhook says when it is to be looked at, so that a pass looks at no other."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    moment = "BIGINT" if db.for_update else "INTEGER"
    for statement in (
        f"ALTER TABLE webhook ADD COLUMN ready_at {moment}",
        """
        UPDATE webhook SET ready_at = (
            SELECT MIN(due_at) FROM delivery WHERE webhook_id = webhook.id AND due_at IS NOT NULL
        )
        WHERE deleted_at IS NULL AND business_id IN (
            SELECT id FROM business
            WHERE option = TRUE OR edition IN ('group', 'restaurant_group')
        )
        """,
        "CREATE INDEX webhook_ready ON webhook (ready_at) WHERE ready_at IS NOT NULL",
    ):
        db.execute_sql(statement)
