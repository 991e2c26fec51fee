"""Where a time begins among rows whose ids go with it: found by halving, without an index on it.

Counting a day must not read the months before it.
"""

from datetime import datetime

from peewee import Field, fn


def first_id_since(field: Field, since: datetime) -> int:
    """The first id of the table of `field` whose `field` is `since` or later; one more than the
    last where there is none. Exact only as far as ids go with time.
    """
    table = field.model
    low, high = 0, (table.select(fn.MAX(table.id)).scalar() or 0) + 1
    while low < high:
        middle = (low + high) // 2
        at_middle = table.select(table.id, field).where(table.id >= middle).order_by(table.id)
        row = at_middle.tuples().first()
        if row is None or row[1] >= since:
            high = middle
        else:
            low = row[0] + 1
    return low
