"""Copying an SQLite database into an empty PostgreSQL one: everything, or nothing."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from peewee import AutoField, BlobField, BooleanField, Field, __exception_wrapper__, fn

from core.errors import BadDatabase, BadInput
from core.pipeline.heartbeat import TICK, TICK_WITHIN
from core.storage.database import is_postgres, proxy, transaction
from core.storage.models import TABLES, Table, TallyProgress, TimeField
from core.storage.schema import applied_migrations

_EVERY = 10_000  # rows that are copied between two calls of `tell`
_MADE_BY_MIGRATIONS = {TallyProgress}

Tell = Callable[[str, int, int], None]
"""Told the name of a table, how many of its rows are copied, and how many there are."""


def copy_from(path: Path, now: datetime, tell: Tell) -> dict[str, int]:
    """Copy what an SQLite file holds at one moment into the bound PostgreSQL database; returns how
    many rows each table has, counted there afterwards.

    It is one transaction: if it is cut short, nothing is there. Ids stay as they are, and so does
    what the key file opens. Raises BadInput where the file is no database or in use, or the target
    is not empty; and BadDatabase where the schemas or the counts differ.
    """
    if not is_postgres():
        raise BadInput("The configured database is SQLite: name the PostgreSQL in [database] url.")
    with _source(path) as source, proxy.unhurried(), transaction():
        _refuse_other_schema(source, path)
        _refuse_running_worker(source, now)
        for table in TABLES:
            _refuse_filled(table)
        for table in TABLES:
            _copy(source, table, tell)
        return {_name(table): _count_both(source, table) for table in TABLES}


@contextmanager
def _source(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as source:
            source.execute("BEGIN")
            source.execute("SELECT 1 FROM schema_migration").fetchone()
            yield source
    except sqlite3.Error as error:
        raise BadInput(f"{path} cannot be read as a database of this program: {error}.") from None


def _refuse_other_schema(source: sqlite3.Connection, path: Path) -> None:
    found = {name for (name,) in source.execute("SELECT name FROM schema_migration")}
    if found != applied_migrations():
        raise BadDatabase(
            f"{path} is not at this version's schema: run `aurapos-webhooks migrate` with the "
            "configuration that names it, and this again."
        )


def _refuse_running_worker(source: sqlite3.Connection, now: datetime) -> None:
    ticked = source.execute(
        "SELECT 1 FROM last_run WHERE job LIKE ? AND at > ?",
        (f"{TICK}%", TimeField().db_value(now - TICK_WITHIN)),
    )
    if ticked.fetchone():
        raise BadInput(
            "A worker ticked there within the last two minutes: stop it, or what it does from now "
            "on is not copied. One that was killed is forgotten after two minutes."
        )


def _refuse_filled(table: type[Table]) -> None:
    if table in _MADE_BY_MIGRATIONS:
        table.delete().execute()
    elif table.select().exists():
        raise BadInput(
            f"The configured database is not empty ({_name(table)} has rows): nothing was copied; "
            "create an empty one and name it in [database] url."
        )


def _copy(source: sqlite3.Connection, table: type[Table], tell: Tell) -> None:
    fields: list[Field] = table._meta.sorted_fields  # noqa: SLF001 - peewee's public name for it
    columns = ", ".join(f'"{field.column_name}"' for field in fields)
    selected = ", ".join(map(_from_source, fields))
    flags = [position for position, field in enumerate(fields) if isinstance(field, BooleanField)]
    total = _count(source, table)
    keys = table._meta.get_primary_keys()  # noqa: SLF001 - as above
    order = ", ".join(f'"{key.column_name}"' for key in keys)
    rows = source.execute(f'SELECT {selected} FROM "{_name(table)}" ORDER BY {order}')
    with (
        __exception_wrapper__,
        proxy.connection().cursor() as target,
        target.copy(f'COPY "{_name(table)}" ({columns}) FROM STDIN') as sink,
    ):
        for done, row in enumerate(rows, start=1):
            sink.write_row(_as_booleans(row, flags))
            if done % _EVERY == 0:
                tell(_name(table), done, total)
    if any(isinstance(field, AutoField) for field in fields):
        _go_on_counting(table)


def _from_source(field: Field) -> str:
    """How to read a column of the source: SQLite keeps text where bytes belong, in which PostgreSQL
    would read escapes.
    """
    name = f'"{field.column_name}"'
    return f"CAST({name} AS BLOB)" if isinstance(field, BlobField) else name


def _as_booleans(row: tuple[Any, ...], flags: list[int]) -> list[Any]:
    values = list(row)
    for position in flags:
        values[position] = bool(values[position])
    return values


def _go_on_counting(table: type[Table]) -> None:
    """Have new ids come after those that were copied."""
    latest = table.select(fn.MAX(table.id)).scalar()
    if latest is not None:
        proxy.execute_sql(
            "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", (_name(table), latest)
        )


def _count_both(source: sqlite3.Connection, table: type[Table]) -> int:
    there, here = _count(source, table), table.select().count()
    if there != here:
        raise BadDatabase(
            f"Of {there} rows in {_name(table)} only {here} arrived: nothing was copied."
        )
    return int(here)


def _count(source: sqlite3.Connection, table: type[Table]) -> int:
    [count] = source.execute(f'SELECT count(*) FROM "{_name(table)}"').fetchone()
    return int(count)


def _name(table: type[Table]) -> str:
    return str(table._meta.table_name)  # noqa: SLF001 - peewee's public name for it
