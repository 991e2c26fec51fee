"""What was set aside is found without reading the history."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    db.execute_sql("CREATE INDEX event_refused ON event (id) WHERE refused IS NOT NULL")
