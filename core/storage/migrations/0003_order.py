"""What was checked when it came in has a digest, and each business's latest event is found."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    number = "BIGINT" if db.for_update else "INTEGER"
    for statement in (
        f"ALTER TABLE event ADD COLUMN digest {number}",
        "CREATE INDEX event_business_id_id ON event (business_id, id)",
    ):
        db.execute_sql(statement)
