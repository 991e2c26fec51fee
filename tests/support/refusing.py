"""A database that refuses an answer, as one does that cannot encode it."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.storage.database import is_postgres, proxy, transaction

_SQLITE = (
    """CREATE TRIGGER refusing BEFORE INSERT ON attempt WHEN CAST(NEW.{column} AS TEXT) = '{value}'
    BEGIN SELECT RAISE(ABORT, 'refused'); END""",
    "DROP TRIGGER refusing",
)
_POSTGRES = (
    "ALTER TABLE attempt ADD CONSTRAINT refusing CHECK ({column}::text <> '{value}')",
    "ALTER TABLE attempt DROP CONSTRAINT refusing",
)


@contextmanager
def refused(value: object, column: str = "response") -> Iterator[None]:
    """No attempt that has this can be written to the bound database's log."""
    begin, end = _POSTGRES if is_postgres() else _SQLITE
    with transaction():
        proxy.execute_sql(begin.format(column=column, value=value))
    try:
        yield
    finally:
        with transaction():
            proxy.execute_sql(end)
