"""What a person calls an event, found by an index; `pipeline.subjects` cuts it for older events."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    for statement in (
        "ALTER TABLE event ADD COLUMN subject TEXT",
        "CREATE INDEX event_subject ON event (business_id, subject, id)",
        "CREATE INDEX event_uncut ON event (id) WHERE subject IS NULL",
    ):
        db.execute_sql(statement)
