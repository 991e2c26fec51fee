"""How many events each webhook's conditions kept back, by the hour."""

from typing import Any

from peewee import Database


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    moment = "BIGINT" if db.for_update else "INTEGER"
    db.execute_sql(
        "CREATE TABLE kept_back ("
        "webhook_id INTEGER NOT NULL REFERENCES webhook (id) ON DELETE CASCADE, "
        f"hour {moment} NOT NULL, events INTEGER NOT NULL, PRIMARY KEY (webhook_id, hour))"
    )
