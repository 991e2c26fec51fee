"""Fan-out in bounded parts, business by business, and webhooks that know which events are older."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    number = "BIGINT" if db.for_update else "INTEGER"
    for statement in (
        # Until now a new webhook emptied the outbox, so whatever is in it is younger.
        f"ALTER TABLE webhook ADD COLUMN after_event {number} NOT NULL DEFAULT 0",
        f"ALTER TABLE event ADD COLUMN fanned_out_to {number} NOT NULL DEFAULT 0",
        "ALTER TABLE event ADD COLUMN refused TEXT",
        "DROP INDEX event_outbox",
        "CREATE INDEX event_outbox ON event (business_id, id) WHERE fanned_out_at IS NULL",
    ):
        db.execute_sql(statement)
