"""Giving back what pruning has freed, of a database in a file."""

from collections.abc import Callable

from core.storage.database import connection, is_postgres, proxy, transaction

_STEP = 500  # pages, 2 MB: others wait while a step lasts
_SPARE = 4  # one part of so many may stay free, for what comes tomorrow
_INCREMENTAL = 2  # SQLite's number for it


def give_back(is_stopping: Callable[[], bool]) -> int:
    """Shorten an SQLite file by the pages it has free beyond its spare ones; returns how many.

    Nothing on PostgreSQL, which uses them again, and in a file made before this was asked for:
    that takes a new file, by `backup --compact`.
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
