"""Migrations, on both engines."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from core.errors import BadDatabase
from core.storage.database import is_postgres, open_database, proxy, release_connection, transaction
from core.storage.models import TABLES
from core.storage.schema import migrate, require_current


def described() -> dict[str, object]:
    """Every column and index of every table."""
    with transaction():
        return {
            table: (
                sorted(
                    (column.name, column.data_type.lower(), column.null, column.primary_key)
                    for column in proxy.get_columns(table)
                ),
                sorted(
                    (index.columns, index.unique, predicate(index.sql))
                    for index in proxy.get_indexes(table)
                ),
                sorted((key.column, key.dest_table) for key in proxy.get_foreign_keys(table)),
            )
            for table in (each._meta.table_name for each in TABLES)
        }


def predicate(index_sql: str | None) -> str:
    """Which rows a partial index holds; the engines differ in their brackets."""
    return (index_sql or "").partition(" WHERE ")[2].strip("()")


def test_the_partial_indexes_are_seen_by_this_test(database: str) -> None:
    assert "due_at IS NOT NULL" in repr(described()["delivery"])
    assert "fanned_out_at IS NULL" in repr(described()["event"])


def test_migrations_make_the_tables_that_the_models_describe(database: str) -> None:
    migrated = described()
    with transaction():
        proxy.drop_tables(TABLES)
        proxy.create_tables(TABLES)
    assert described() == migrated


def test_migrating_again_does_nothing(database: str) -> None:
    assert migrate() == []
    require_current()


def test_migrations_at_once_take_their_turns(database_url: str) -> None:
    open_database(database_url, create=True)

    def run() -> list[str]:
        try:
            return migrate()
        finally:
            release_connection()

    with ThreadPoolExecutor(4) as threads:
        applied = [future.result() for future in [threads.submit(run) for _ in range(4)]]
    assert [len(names) > 0 for names in sorted(applied)] == [False, False, False, True]
    if is_postgres():
        proxy.close_all()


def test_an_old_database_is_refused_until_it_is_migrated(database_url: str) -> None:
    open_database(database_url, create=True)
    with pytest.raises(BadDatabase, match="aurapos-webhooks migrate"):
        require_current()
    if is_postgres():
        proxy.close_all()


def test_a_newer_database_is_refused(database: str) -> None:
    with transaction():
        proxy.execute_sql(
            "INSERT INTO schema_migration (name, applied) "
            "VALUES ('9999_from_the_future', '2030-01-01 00:00:00')"
        )
    for act in (require_current, migrate):
        with pytest.raises(BadDatabase, match=r"newer version .*9999_from_the_future"):
            act()
