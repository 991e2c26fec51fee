"""Many rows in one statement."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from peewee import BlobField, Field, ForeignKeyField, Model, TextField

from core.storage.database import is_postgres, proxy

_BATCH = 500  # rows in one statement of SQLite's, which takes so many values


class Prepared(NamedTuple):
    """A statement with its values, prepared before the transaction, in which others wait for us."""

    sql: str
    values: list[Any]

    def run(self) -> None:
        proxy.execute_sql(*self)


def prepare_inserts(
    table: type[Model], fields: Sequence[Field], rows: Sequence[Sequence[Any]]
) -> list[Prepared]:
    """Statements that insert these rows, which are in the order of `fields`; none is too long for
    an engine.
    """
    if not rows:
        return []
    name = table._meta.table_name  # noqa: SLF001 - peewee's public name for it
    columns = ", ".join(field.column_name for field in fields)
    return _prepared(f"INSERT INTO {name} ({columns})", fields, rows)


def _prepared(
    insert: str, fields: Sequence[Field], rows: Sequence[Sequence[Any]]
) -> list[Prepared]:
    if is_postgres():
        types = ", ".join(f"%s::{_type_of(field)}[]" for field in fields)
        columns = zip(*rows, strict=True)
        arrays = [_array(field, values) for field, values in zip(fields, columns, strict=True)]
        return [Prepared(f"{insert} SELECT * FROM unnest({types})", arrays)]
    one = f"({', '.join([proxy.param] * len(fields))})"
    convert = [field.db_value for field in fields]
    batches = (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))
    return [
        Prepared(
            f"{insert} VALUES {', '.join([one] * len(batch))}",
            [to_db(value) for row in batch for to_db, value in zip(convert, row, strict=True)],
        )
        for batch in batches
    ]


def _type_of(field: Field) -> str:
    known = proxy.get_context_options()["field_types"]
    while isinstance(field, ForeignKeyField):
        field = field.rel_field
    serial = {"AUTO": "INT", "BIGAUTO": "BIGINT"}.get(field.field_type, field.field_type)
    return str(known.get(serial, serial))


def _array(field: Field, values: Iterable[Any]) -> Any:
    """A column's values as one, in PostgreSQL's notation. The driver, which looks at each value to
    find out what it is, would take five times as long.
    """
    stored = map(field.db_value, values)
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
