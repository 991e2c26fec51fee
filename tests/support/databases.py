"""Databases for tests: migrated once in each test process, then copied, or emptied and used again.

To migrate one takes longer than most tests do.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg.conninfo import conninfo_to_dict

from core.storage.database import open_database, sqlite_path
from core.storage.models import TABLES
from core.storage.schema import migrate
from tests.support.scene import close_database

_EMPTY = f"TRUNCATE {', '.join(table._meta.table_name for table in TABLES)} RESTART IDENTITY"
_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SCHEMA = """
SELECT array_agg(oid ORDER BY oid), (SELECT count(*) FROM schema_migration)
FROM pg_class WHERE relnamespace = 'public'::regnamespace
"""


def _make_tables(url: str) -> None:
    open_database(url, create=True)
    migrate()
    close_database()


class SqliteFiles:
    """Copies of one file that was migrated."""

    def __init__(self, folder: Path) -> None:
        self._template = folder / "template.db"
        _make_tables(f"sqlite:///{self._template}")

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
            self._schema = self._schema_of(self._shared)
        try:
            yield self._shared
        finally:
            self._empty()

    def _empty(self) -> None:
        """Make the shared one as it was; or give it up, where a test has changed more than rows."""
        with suppress(psycopg.Error), _connect(self._shared) as connection:
            connection.execute(_OTHERS)
            connection.execute(_EMPTY)
            if self._schema_of(self._shared) == self._schema:
                return
        self._drop(self._shared)
        self._shared = ""

    def _schema_of(self, url: str) -> object:
        """What differs once a table, an index or a migration has come or gone."""
        with _connect(url) as connection:
            return connection.execute(_SCHEMA).fetchone()

    def _create(self) -> str:
        name = f"test_{uuid4().hex}"
        with _connect(self._server) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._server.replace("/postgres?", f"/{name}?")

    def _drop(self, url: str) -> None:
        name = conninfo_to_dict(url)["dbname"]
        with _connect(self._server) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _connect(url: str) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(url, autocommit=True)
