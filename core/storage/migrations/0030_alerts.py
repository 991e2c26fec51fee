"""A webhook can be told about the others: what of it changed, when to look, and what was told."""

from typing import Any

from peewee import Database

_LOOK_AT = """
    UPDATE webhook SET look_at = COALESCE(paused_at, down_since)
    WHERE deleted_at IS NULL
    AND (paused_at IS NOT NULL OR (down_since IS NOT NULL AND up_since IS NULL))
"""
_ALERT = """
    CREATE TABLE alert (
        webhook_id INTEGER NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
        kind TEXT NOT NULL, told_at {moment} NOT NULL, since {moment} NOT NULL,
        PRIMARY KEY (webhook_id, kind)
    )
"""


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    moment, truth = ("BIGINT", "BOOLEAN") if db.for_update else ("INTEGER", "INTEGER")
    for statement in (
        f"ALTER TABLE webhook ADD COLUMN alerts {truth} NOT NULL DEFAULT FALSE",
        f"ALTER TABLE webhook ADD COLUMN lost_since {moment}",
        f"ALTER TABLE webhook ADD COLUMN certificate_until {moment}",
        f"ALTER TABLE webhook ADD COLUMN look_at {moment}",
        "CREATE INDEX webhook_look ON webhook (look_at) WHERE look_at IS NOT NULL",
        _LOOK_AT,
        _ALERT.format(moment=moment),
    ):
        db.execute_sql(statement)
