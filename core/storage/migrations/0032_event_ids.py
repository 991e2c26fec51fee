"""Whoever inserts an event has the number of its transaction before its event has an id, whatever
program it is: so PostgreSQL can tell which ids may turn up yet, and an export ends before those.
"""

from typing import Any

from peewee import Database

_ID = """
    ALTER TABLE event ALTER COLUMN id
    SET DEFAULT CASE WHEN txid_current() > 0 THEN nextval('event_id_seq') END
"""


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    if db.for_update:
        db.execute_sql(_ID)
