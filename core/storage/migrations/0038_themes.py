"""Whether there are colours becomes one of the themes."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    db.execute_sql(
        "UPDATE setting SET name = 'theme', value = CASE value WHEN 'on' THEN 'terminal' "
        "WHEN 'off' THEN 'none' ELSE '' END WHERE name = 'colours'"
    )
