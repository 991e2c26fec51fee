"""How each login likes its terminal UI."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    db.execute_sql(
        "CREATE TABLE setting (login TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, "
        "PRIMARY KEY (login, name))"
    )
