"""A copy of an SQLite database, made while others write to it."""

import os
import shlex
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from core.domain.engine_url import without_password
from core.errors import BadDatabase, BadInput
from core.storage.database import connection, proxy, sqlite_path
from core.storage.flush import sync

_PAGES = 1000  # that are copied between two calls of `tell`


def back_up(path: Path, tell: Callable[[int, int], None], *, compact: bool = False) -> int:
    """Copy the bound SQLite database to a new file with mode 0600; returns how many bytes it has.

    `tell` is given how many pages are copied so far, and how many there are. The copy is of one
    moment, and no writer waits for it. Nothing is at `path` before the copy is whole and on the
    disk. A compact one is written anew without free space, and can give space back by itself from
    then on.

    Raises BadInput where there is a file already or none can be made, and BadDatabase when either
    side fails.
    """
    _refuse_existing(path)
    try:
        with _beside(path) as new:
            if compact:
                _write_anew(new)
            else:
                _copy(new, tell)
            sync(new)
            _refuse_existing(path)
            new.replace(path)
            sync(path.parent)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}.") from None
    except sqlite3.Error as error:
        raise BadDatabase(
            f"The backup failed ({error}): there is no {path}; make room there and try again."
        ) from None
    return path.stat().st_size


def _copy(new: Path, tell: Callable[[int, int], None]) -> None:
    with _one_moment() as source, closing(sqlite3.connect(new)) as target:
        source.backup(
            target,
            pages=_PAGES,
            progress=lambda _, left, total: tell(total - left, total),
        )


def _write_anew(new: Path) -> None:
    with connection():
        source: sqlite3.Connection = proxy.connection()
        source.execute("PRAGMA auto_vacuum = incremental")  # of the new file
        source.execute("VACUUM INTO ?", [str(new)])


def refuse_other_engines(url: str, path: Path) -> None:
    """Raise BadInput for PostgreSQL, with the command that backs it up."""
    if sqlite_path(url) is None:
        where = f"--dbname={without_password(url)}"
        command = shlex.join(["pg_dump", "--format=custom", f"--file={path}", where])
        raise BadInput(
            f"The database is PostgreSQL, which has its own command for this: `{command}`."
        )


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise BadInput(f"The file {path} exists already and is left as it is: choose another name.")


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A new file in the same folder that only its owner can read. If it is still there at the end
    it is removed.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        for left in (name, f"{name}-journal", f"{name}-wal", f"{name}-shm"):
            with suppress(FileNotFoundError):
                os.unlink(left)  # noqa: PTH108 - a name


@contextmanager
def _one_moment() -> Iterator[sqlite3.Connection]:
    """The connection of the database, which reads what was committed at this moment and nothing
    later.

    Without a transaction around it a copy would begin again at each commit of another process, and
    under load it would never end.
    """
    with connection():
        source: sqlite3.Connection = proxy.connection()
        source.execute("BEGIN")
        try:
            source.execute("SELECT 1 FROM sqlite_master").fetchone()
            yield source
        finally:
            source.execute("ROLLBACK")
