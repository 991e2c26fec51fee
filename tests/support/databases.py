"""Databases for tests: migrated once in each test process, then copied, or emptied and used again.

To migrate one takes longer than most tests do.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import psycopg
from psycopg.conninfo import conninfo_to_dict

from core.storage.database import open_database, sqlite_path
from core.storage.models import TABLES
from core.storage.schema import migrate
from tests.support.scene import close_database

Connection = psycopg.Connection[tuple[Any, ...]]
_TABLES = [table._meta.table_name for table in TABLES]
_EMPTY = f"TRUNCATE {', '.join(_TABLES)} RESTART IDENTITY"
_LITTLE = 2**20  # bytes of tables and indexes that were written to: of more, new ones are made
_WRITTEN_TO = """
SELECT coalesce(array_agg(relname::text), '{}'), coalesce(sum(pg_total_relation_size(oid)), 0)
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%s) AND pg_relation_size(oid) > 0
"""
_RESTART = """
SELECT setval(seqrelid::regclass, seqstart, false)
FROM pg_sequence JOIN pg_depend ON objid = seqrelid AND deptype IN ('a', 'i')
WHERE refobjid::regclass::text = ANY(%s) AND pg_sequence_last_value(seqrelid) IS NOT NULL
"""
_NEVER_VACUUMED = """
UPDATE pg_class SET reltuples = -1
WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%s)
"""
_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SCHEMA = """
SELECT array_agg(oid ORDER BY oid), (SELECT count(*) FROM schema_migration)
FROM pg_class WHERE relnamespace = 'public'::regnamespace
"""


def _make_tables(url: str, fill: Callable[[], None] = lambda: None) -> None:
    open_database(url, create=True)
    migrate()
    fill()
    close_database()


class SqliteFiles:
    """Copies of one file that was migrated, and filled."""

    def __init__(self, folder: Path, fill: Callable[[], None] = lambda: None) -> None:
        self._template = folder / "template.db"
        _make_tables(f"sqlite:///{self._template}", fill)

    def make(self, url: str) -> None:
        path = sqlite_path(url)
        assert path is not None
        shutil.copyfile(self._template, path)


class PostgresDatabases:
    """What one server holds: new databases, and one that whoever needs just the tables shares."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._shared = ""
        self._schema: object = None
        self._sweeper: Connection | None = None  # kept: a new one costs more than what it does

    @contextmanager
    def new(self) -> Iterator[str]:
        """The URL of one with nothing in it, which is gone afterwards."""
        url = self._create()
        try:
            yield url
        finally:
            self._drop(url)

    @contextmanager
    def with_tables(self) -> Iterator[str]:
        """The URL of one with this version's tables, empty; the same one again and again."""
        if not self._shared:
            self._shared = self._create()
            _make_tables(self._shared)
            self._sweeper = _connect(self._shared)
            self._schema = _schema_of(self._sweeper)
        try:
            yield self._shared
        finally:
            if not self._is_as_it_was():
                self.close()
                self._drop(self._shared)
                self._shared = ""

    def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.close()

    def _is_as_it_was(self) -> bool:
        """Once it has been emptied: unless a test has changed more than rows."""
        assert self._sweeper is not None
        with suppress(psycopg.Error):
            self._sweeper.execute(_OTHERS)
            if not _is_swept(self._sweeper):
                self._sweeper.execute(_EMPTY)
            return _schema_of(self._sweeper) == self._schema
        return False

    def _create(self) -> str:
        name = f"test_{uuid4().hex}"
        with _connect(self._server) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._server.replace("/postgres?", f"/{name}?")

    def _drop(self, url: str) -> None:
        name = conninfo_to_dict(url)["dbname"]
        with _connect(self._server) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _is_swept(connection: Connection) -> bool:
    """Whether it is empty after this. To truncate makes each table anew, and each index: where few
    rows were written that takes five times as long as to delete them.
    """
    written_to, size = _written_to(connection)
    if size > _LITTLE:
        return False
    connection.execute("SET session_replication_role = replica")  # in whatever order
    for table in written_to:
        connection.execute(f"DELETE FROM {table}")
    connection.execute(_RESTART, [_TABLES])
    if written_to:
        connection.execute(f"VACUUM (INDEX_CLEANUP ON, PROCESS_TOAST OFF) {', '.join(written_to)}")
        connection.execute(_NEVER_VACUUMED, [written_to])  # the planner makes a difference
    left, _ = _written_to(connection)
    return not left


def _written_to(connection: Connection) -> tuple[list[str], int]:
    row = connection.execute(_WRITTEN_TO, [_TABLES]).fetchone()
    assert row is not None
    return cast("tuple[list[str], int]", row)


def _schema_of(connection: Connection) -> object:
    """What differs once a table, an index or a migration has come or gone."""
    return connection.execute(_SCHEMA).fetchone()


def _connect(url: str) -> Connection:
    return psycopg.connect(url, autocommit=True)
