"""What one webhook may choose, the body of a chat line, and what an entry of the trail changed."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    blob, truth = ("BYTEA", "BOOLEAN") if db.for_update else ("BLOB", "INTEGER")
    for statement in (
        "ALTER TABLE webhook ADD COLUMN name TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE webhook ADD COLUMN format TEXT NOT NULL DEFAULT 'json'",
        "ALTER TABLE webhook ADD COLUMN language TEXT NOT NULL DEFAULT 'en'",
        f"ALTER TABLE webhook ADD COLUMN standard_webhooks {truth} NOT NULL DEFAULT FALSE",
        'ALTER TABLE webhook ADD COLUMN "only" TEXT',
        "ALTER TABLE webhook ADD COLUMN headers TEXT",
        f"ALTER TABLE delivery ADD COLUMN body {blob}",
        "ALTER TABLE audit_entry ADD COLUMN detail TEXT NOT NULL DEFAULT ''",
    ):
        db.execute_sql(statement)
