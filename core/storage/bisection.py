"""Where a time begins among rows whose ids rise with it: found by halving, without an index on it.

So counting one day does not read the months before it.
"""

from datetime import datetime

from peewee import Field

from core.storage.database import proxy

# All the halving is one statement. It tries the largest stride first, and takes each one at whose
# end the row is still too old: always as many looks into the primary key, however many rows there
# are.
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
    """The id from which on the rows of the table have `since` or later in `field`; one more than
    the last id where no row has. It is only as exact as the ids rise with time.
    """
    statement = _HALVING.format(
        table=field.model._meta.table_name,  # noqa: SLF001 - peewee's public name for it
        column=field.column_name,
        largest=_LARGEST_STRIDE,
        since=proxy.param,
    )
    [first] = proxy.execute_sql(statement, (field.db_value(since),)).fetchone()
    return int(first)
