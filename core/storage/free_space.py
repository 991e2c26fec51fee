"""Giving back the space that pruning has freed, where the database is a file."""

from collections.abc import Callable

from core.storage.database import connection, is_postgres, proxy, transaction

_STEP = 500  # pages, which are 2 MB: others wait during a step
_SPARE = 4  # one page in so many may stay free, for what comes tomorrow
_INCREMENTAL = 2  # SQLite's number for this mode


def give_back(is_stopping: Callable[[], bool]) -> int:
    """Shorten an SQLite file by the free pages that it does not need; returns how many that were.

    Does nothing on PostgreSQL, which uses free space again, nor to a file that was made before we
    asked for this mode: such a file has to be made anew, by `backup --compact`.
    """
    with connection():
        if is_postgres() or _pragma("auto_vacuum") != _INCREMENTAL:
            return 0
        before = free = _pragma("freelist_count")
        while free > _pragma("page_count") // _SPARE and not is_stopping():
            with transaction():
                proxy.execute_sql(f"PRAGMA incremental_vacuum({_STEP})").fetchall()
            free = _pragma("freelist_count")
        return before - free


def _pragma(name: str) -> int:
    return int(proxy.execute_sql(f"PRAGMA {name}").fetchone()[0])
