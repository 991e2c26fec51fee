"""What is counted for good, which attempt was a delivery's last, and how each worker is set."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    number, truth = ("BIGINT", "BOOLEAN") if db.for_update else ("INTEGER", "INTEGER")
    progress = ", ".join(
        f"{name} {number} NOT NULL" for name in ("version", "counted_to", "seen_to", "seen_at")
    )
    tally = f"name TEXT NOT NULL, label TEXT NOT NULL, value {number} NOT NULL"
    latest = "coalesce(max(id), 0)"
    for statement in (
        f"ALTER TABLE attempt ADD COLUMN abandoned {truth} NOT NULL DEFAULT FALSE",
        "ALTER TABLE last_run ADD COLUMN settings TEXT NOT NULL DEFAULT ''",
        f"CREATE TABLE tally ({tally}, PRIMARY KEY (name, label))",
        f"CREATE TABLE tally_progress (id {number} NOT NULL PRIMARY KEY, {progress})",
        # Counted from now on: to look at months of attempts would take minutes.
        f"INSERT INTO tally_progress SELECT 1, 0, {latest}, {latest}, 0 FROM attempt",
    ):
        db.execute_sql(statement)
