"""An event that somebody asked for says why: a sample, or a ping of a check."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    db.execute_sql("ALTER TABLE event ADD COLUMN purpose TEXT")
    db.execute_sql("CREATE INDEX event_purposes ON event (webhook_id) WHERE purpose IS NOT NULL")
