"""Alerts by mail: the addresses that were given and confirmed, and what is mailed to them."""

from typing import Any

from peewee import Database

_ADDRESS = """
    CREATE TABLE mail_address (
        business_id INTEGER NOT NULL REFERENCES business (id),
        login TEXT NOT NULL, address TEXT NOT NULL, language TEXT NOT NULL,
        asked_at {moment} NOT NULL, nonce {blob}, tries {small} NOT NULL, confirmed_at {moment},
        PRIMARY KEY (business_id, login, address)
    )
"""
_MAIL = """
    CREATE TABLE mail (
        id {number}, business_id INTEGER NOT NULL REFERENCES business (id),
        login TEXT NOT NULL, address TEXT NOT NULL, kind TEXT NOT NULL,
        subject TEXT NOT NULL, text TEXT NOT NULL, created_at {moment} NOT NULL,
        until {moment} NOT NULL, due_at {moment}, lease {moment}, attempts {small} NOT NULL,
        interruptions {small} NOT NULL, sent_at {moment}, error TEXT NOT NULL
    )
"""
_ON_SQLITE = {
    "moment": "INTEGER",
    "small": "INTEGER",
    "blob": "BLOB",
    "number": "INTEGER NOT NULL PRIMARY KEY",
}
_ON_POSTGRES = {
    "moment": "BIGINT",
    "small": "SMALLINT",
    "blob": "BYTEA",
    "number": "BIGSERIAL NOT NULL PRIMARY KEY",
}


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    types = _ON_POSTGRES if db.for_update else _ON_SQLITE
    for statement in (
        _ADDRESS.format(**types),
        _MAIL.format(**types),
        "CREATE INDEX mail_due ON mail (due_at) WHERE due_at IS NOT NULL",
        "CREATE INDEX mail_code ON mail (created_at) WHERE kind = 'code'",
        "CREATE INDEX mail_failed ON mail (created_at) WHERE error <> ''",
    ):
        db.execute_sql(statement)
