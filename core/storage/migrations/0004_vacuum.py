"""PostgreSQL tidies up what changes all day before its indexes grow.

By its defaults a fifth of a table may be dead: of a long history that is more than ever waits, and
the index of what is due would lead through all of it. Reading marks what is dead in an index too,
but not while anybody's old snapshot, a `pg_dump` say, could still see it.
"""

from typing import Any

from peewee import Database

_BUSY = {"delivery": 5_000, "event": 5_000, "webhook": 500}


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    if not db.for_update:
        return
    for table, dead in _BUSY.items():
        db.execute_sql(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_threshold = {dead}, "
            "autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_limit = 2000)"
        )
