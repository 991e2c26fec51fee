"""Where a time begins among rows whose ids go with it: found by halving, without an index on it.

Counting a day must not read the months before it.
"""

from datetime import datetime

from peewee import Field

from core.storage.database import proxy

# All the halving in one statement: from the largest stride down, each taken if what is there is
# still too old. The same number of looks into the primary key, whatever the number of rows.
_HALVING = """
    WITH RECURSIVE step(old, stride) AS (
        SELECT CAST(0 AS BIGINT), CAST({largest} AS BIGINT)
        UNION ALL
        SELECT old + CASE WHEN (SELECT {column} FROM {table} WHERE id >= old + stride
                                ORDER BY id LIMIT 1) < {since} THEN stride ELSE 0 END,
               stride / 2
        FROM step WHERE stride > 0
    )
    SELECT old + 1 FROM step WHERE stride = 0
"""
_LARGEST_STRIDE = 2**62


def first_id_since(field: Field, since: datetime) -> int:
    """The id from which on the table's rows have `since` or later in `field`; one more than the
    last where none has. Exact only as far as ids go with time.
    """
    statement = _HALVING.format(
        table=field.model._meta.table_name,  # noqa: SLF001 - peewee's public name for it
        column=field.column_name,
        largest=_LARGEST_STRIDE,
        since=proxy.param,
    )
    [first] = proxy.execute_sql(statement, (field.db_value(since),)).fetchone()
    return int(first)
