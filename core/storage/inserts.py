"""Many rows in one statement."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

from peewee import BlobField, Field, ForeignKeyField, Model, TextField

from core.storage.database import is_postgres, proxy

_BATCH = 500  # rows in one statement of SQLite's, which takes so many values


class Prepared(NamedTuple):
    """A statement with its values, prepared before the transaction, in which others wait for us."""

    sql: str
    values: list[Any]

    def run(self) -> int:
        """Returns how many rows it inserted."""
        return int(proxy.execute_sql(*self).rowcount)


def prepare_inserts(
    table: type[Model], fields: Sequence[Field], rows: Sequence[Sequence[Any]], otherwise: str = ""
) -> list[Prepared]:
    """Statements that insert these rows, which are in the order of `fields`; none is too long for
    an engine. `otherwise` is SQL that says what becomes of a row that cannot be inserted.
    """
    if not rows:
        return []
    name = table._meta.table_name  # noqa: SLF001 - peewee's public name for it
    insert = f"INSERT INTO {name} ({', '.join(field.column_name for field in fields)})"
    kinds = [_kind_of(field) for field in fields]
    columns = zip(kinds, zip(*rows, strict=True), strict=True)
    stored = [_stored(kind, column) for kind, column in columns]
    prepare = _with_arrays if is_postgres() and len(rows) > 1 else _with_values
    return prepare(insert, kinds, stored, otherwise)


def _with_arrays(
    insert: str, kinds: Sequence[Field], columns: Iterable[Iterable[Any]], otherwise: str
) -> list[Prepared]:
    """For PostgreSQL: one statement, with one value for each column."""
    arrays = [_array(kind, column) for kind, column in zip(kinds, columns, strict=True)]
    blanks = ", ".join(map(_blank, kinds))
    return [Prepared(f"{insert} SELECT * FROM unnest({blanks}){otherwise}", arrays)]


def _with_values(
    insert: str, kinds: Sequence[Field], columns: Iterable[Iterable[Any]], otherwise: str
) -> list[Prepared]:
    """Statements with one value for each place: for SQLite, and for a single row on PostgreSQL,
    which then keeps its plan.
    """
    width = len(kinds)
    row = f"({', '.join([proxy.param] * width)})"
    values = list(chain.from_iterable(zip(*columns, strict=True)))
    size = _BATCH * width
    batches = (values[start : start + size] for start in range(0, len(values), size))
    return [
        Prepared(f"{insert} VALUES {', '.join([row] * (len(batch) // width))}{otherwise}", batch)
        for batch in batches
    ]


def _stored(field: Field, column: Iterable[Any]) -> Iterable[Any]:
    """A column's values as the driver takes them. Where peewee would only see to it that they are
    numbers or text, as they are already, it would cost as much as the rest of this.
    """
    return column if type(field).db_value is Field.db_value else map(field.db_value, column)


def _kind_of(field: Field) -> Field:
    """The field itself, or the one that it refers to: a reference is stored as that is."""
    while isinstance(field, ForeignKeyField):
        field = field.rel_field
    return field


def _blank(field: Field) -> str:
    """The place of a column's values in a statement of PostgreSQL's. Bytes are sent as they are:
    written as text, each would be twice as long and cost ten times as much.
    """
    known = proxy.get_context_options()["field_types"]
    serial = {"AUTO": "INT", "BIGAUTO": "BIGINT"}.get(field.field_type, field.field_type)
    form = "%b" if isinstance(field, BlobField) else "%s"
    return f"{form}::{known.get(serial, serial)}[]"


def _array(field: Field, stored: Iterable[Any]) -> Any:
    """A column's values as one, in PostgreSQL's notation. The driver, which looks at each value to
    find out what it is, would take five times as long.
    """
    if isinstance(field, BlobField):
        return list(stored)
    write = _quoted if isinstance(field, TextField) else str
    return f"{{{','.join(['NULL' if each is None else write(each) for each in stored])}}}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def insert_rows(table: type[Model], fields: Sequence[Field], rows: Sequence[Sequence[Any]]) -> None:
    for statement in prepare_inserts(table, fields, rows):
        statement.run()


def insert_new(table: type[Model], fields: Sequence[Field], rows: Sequence[Sequence[Any]]) -> int:
    """Insert those that no unique column has yet, and return how many these were."""
    return sum(
        statement.run()
        for statement in prepare_inserts(table, fields, rows, " ON CONFLICT DO NOTHING")
    )
