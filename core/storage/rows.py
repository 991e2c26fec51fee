"""One row by its id, as people and programs name it; and rows by what they belong to."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, TypeVar

from core.errors import NotFound
from core.storage.database import is_postgres
from core.storage.models import Business

T = TypeVar("T")

_LARGEST_ID = 2**31 - 1


def row_of(table: type[Any], row_id: int, lock: str | None = None) -> Any:
    """The row with this id. For a number that cannot be an id there is none, without the engine's
    error.

    `lock` is PostgreSQL's word for how the row is locked; SQLite locks the whole file.
    """
    if not 0 < row_id <= _LARGEST_ID:
        return None
    query = table.select().where(table.id == row_id)
    return (query.for_update(lock) if lock and is_postgres() else query).first()


def find_business(business_id: int, *, lock: str | None = None) -> Business:
    """The business, locked as for `row_of`. Raises NotFound."""
    business = row_of(Business, business_id, lock)
    if business is None:
        raise no_business(business_id)
    return business


def no_business(business_id: int) -> NotFound:
    return NotFound(
        f"There is no business {business_id} here: see `aurapos-webhooks business list`."
    )


def grouped(pairs: Iterable[tuple[Any, T]]) -> dict[Any, list[T]]:
    """The second of each pair by the first; for what is in no pair, an empty list."""
    found = defaultdict[Any, list[T]](list)
    for key, value in pairs:
        found[key].append(value)
    return found
