"""Opening the database that holds everything: SQLite by default, PostgreSQL by URL."""

import json
import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from peewee import (
    SQL,
    Database,
    DatabaseProxy,
    Field,
    ImproperlyConfigured,
    InterfaceError,
    NodeList,
    OperationalError,
    PeeweeException,
    SqliteDatabase,
    Value,
)

from core.domain.engine_url import SQLITE_PREFIX
from core.domain.language import N_
from core.errors import BadDatabase
from core.storage.folders import told_of_owner

T = TypeVar("T")

_BUSY_PATIENCE = 30.0  # seconds a writer waits for its turn before the action fails
_BUSY_PAUSE = (0.0002, 0.001)  # seconds between two tries of a BEGIN, drawn at random
_CONNECTIONS = 20

proxy = DatabaseProxy()
"""What the models are bound to; `open_database` decides which database that is."""


def is_postgres() -> bool:
    """Whether the bound database is PostgreSQL; if not, it is SQLite."""
    return bool(proxy.for_update)


class Sqlite(SqliteDatabase):
    """SQLite with write-ahead logging, whose writers take their turns fairly.

    SQLite's own busy handler starves a writer for seconds when others keep coming, so a BEGIN is
    tried again here, with jitter.
    """

    def __init__(self, path: str) -> None:
        super().__init__(
            path,
            # Whoever is told "done" must keep it through a loss of power: NORMAL would not sync a
            # commit.
            pragmas={"journal_mode": "wal", "synchronous": "full", "foreign_keys": 1},
            timeout=0.02,
            lock_type="IMMEDIATE",
            returning_clause=True,
        )

    def begin(self, lock_type: str | None = None) -> None:
        begin = super().begin
        _patiently(lambda: begin(lock_type))

    def _connect(self) -> Any:
        # Switching a new file to WAL needs a lock as well, which may be refused like any other.
        return _patiently(super()._connect)

    def _add_conn_hooks(self, conn: Any) -> None:
        """Have the file give back what becomes free. Only a new file is told: telling it is a
        write.
        """
        if not conn.execute("PRAGMA page_count").fetchone()[0]:
            conn.execute("PRAGMA auto_vacuum = incremental")
        super()._add_conn_hooks(conn)


def _patiently(attempt: Callable[[], T]) -> T:
    """Run `attempt` until SQLite is no longer busy, for half a minute at most."""
    deadline = time.monotonic() + _BUSY_PATIENCE
    while True:
        try:
            return attempt()
        except Exception as error:
            if not _sqlite_code(error).startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(*_BUSY_PAUSE))  # noqa: S311 - jitter, not a secret


def _sqlite_code(error: BaseException) -> str:
    return str(getattr(getattr(error, "orig", error), "sqlite_errorname", ""))


def open_database(url: str, *, create: bool = False, connections: int = _CONNECTIONS) -> Database:
    """Bind the models to the database at `url`, without connecting to it yet.

    `url` is `sqlite:///FILE` or `postgresql://user:password@host/name`. The threads of this process
    share so many connections to PostgreSQL at the most. Raises BadDatabase when PostgreSQL's driver
    is not installed, or when the file is missing and `create` is not set.
    """
    path = sqlite_path(url)
    if path is not None and not create and not path.exists():
        raise BadDatabase(
            f"There is no database {path}: make one with `aurapos-webhooks init`, or mend "
            "[database] url."
        )
    database = _database(url, connections)
    proxy.initialize(database)
    return database


def _database(url: str, connections: int) -> Database:
    if url.startswith(SQLITE_PREFIX):
        return Sqlite(url.removeprefix(SQLITE_PREFIX))
    try:
        from core.storage.postgres import Postgres  # noqa: PLC0415 - its driver is an extra
    except ImportError:
        raise BadDatabase(
            "PostgreSQL needs its driver: install the program with its extra, "
            "`aurapos-webhooks[postgres]`."
        ) from None
    return Postgres(url, connections)


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite URL; None for another engine."""
    return Path(url.removeprefix(SQLITE_PREFIX)) if url.startswith(SQLITE_PREFIX) else None


@contextmanager
def connection() -> Iterator[None]:
    """A connection for one unit of work: the caller's own, where it has opened one already. Raises
    BadDatabase before `open_database`.
    """
    if proxy.obj is None:
        raise BadDatabase(
            "No database is open in this program: call open_database(url) once, at its start."
        )
    if not proxy.is_closed():
        yield
        return
    with proxy.connection_context():
        yield


@contextmanager
def transaction() -> Iterator[None]:
    """One transaction, or a savepoint inside the caller's own."""
    with connection(), proxy.atomic():
        yield


def after_commit(call: Callable[[], object]) -> None:
    """Make this call once the transaction has been committed; never, where it is rolled back."""
    proxy.after_commit(call)


def hold_connection(*, synced: bool = True) -> None:
    """Keep this thread's SQLite connection open: opening one costs more than most transactions.
    Does nothing where it is open already, so it may be called before each use.

    Where it is not `synced`, a loss of power may undo this thread's latest transactions, on both
    engines, but none after which somebody else has committed: it is for work that can be repeated.

    What SQLite needs to undo a large statement is kept in memory instead of in a file. SQLite's own
    waits for a lock end at once, because the tries of `begin` are spread better. PostgreSQL's
    connections come from a pool, and must be taken from it anew to survive a restart of the server.
    """
    if is_postgres():
        proxy.manner.synced = synced
    elif proxy.is_closed():
        proxy.connect()
        proxy.execute_sql(f"PRAGMA synchronous = {'full' if synced else 'normal'}")
        proxy.execute_sql("PRAGMA temp_store = memory")
        proxy.execute_sql("PRAGMA busy_timeout = 1")


def close_idle_connections() -> None:
    """Close what lies idle in PostgreSQL's pool: a fork of this process must not find it there."""
    if is_postgres():
        proxy.close_idle()


def release_connection() -> None:
    if not proxy.is_closed():
        proxy.close()


_ABOUT_A_VALUE = ("22", "23", "54")  # SQLSTATE's classes: data, constraints, limits
_ABOUT_THE_DATABASE = ("0A", "25", "3D", "3F", "42")  # plans, read only, missing, rights, tables


def is_about_a_value(error: Exception) -> bool:
    """Whether a value was refused for what it is. Otherwise the database is away, busy or full, or
    its tables are not as this program needs them: all values wait then until somebody mends it.
    """
    code = getattr(getattr(error, "orig", error), "sqlstate", None) or ""
    if isinstance(error, OperationalError | InterfaceError):
        return code.startswith(_ABOUT_A_VALUE)
    return not code.startswith(_ABOUT_THE_DATABASE)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the engine raises into one sentence that an operator can act on."""
    try:
        yield
    except PeeweeException as error:
        raise trouble(error) from error


def explain(error: PeeweeException) -> str:
    """One sentence that says what an engine's error means, and how to mend it."""
    return str(trouble(error))


def trouble(error: PeeweeException) -> BadDatabase:
    """The same sentence as an error of ours."""
    codes = {_sqlite_code(link) for link in _chain(error)}
    if "SQLITE_FULL" in codes:
        return BadDatabase(N_("The disk is full: nothing was changed; make room and try again."))
    if any(code.startswith("SQLITE_BUSY") for code in codes):
        return BadDatabase(
            N_("The database was busy for too long: nothing was changed; try again.")
        )
    if any(code.startswith("SQLITE_READONLY") for code in codes):
        return _not_ours() or BadDatabase(
            N_("The database cannot be written: check who owns the file and its folder.")
        )
    if "SQLITE_NOTADB" in codes:
        return BadDatabase(N_("The database file is not an SQLite database: check [database] url."))
    if "SQLITE_CANTOPEN" in codes:
        return _not_ours() or BadDatabase(
            N_("The database cannot be opened: check [database] url and who owns the folder.")
        )
    told = next(filter(None, map(_told_by_postgres, _chain(error))), None)
    if told is not None:
        return BadDatabase(told)
    if isinstance(error, OperationalError | InterfaceError | ImproperlyConfigured):
        sentence = N_("The database does not answer ({why}): check [database] url.")
    else:
        sentence = N_("The database refused this ({why}): run `aurapos-webhooks doctor`.")
    return BadDatabase(sentence, why=first_line(error))


def _not_ours() -> BadDatabase | None:
    """The error for a file that belongs to somebody else, as when root put a backup back."""
    told = told_of_owner(Path(proxy.obj.database)) if isinstance(proxy.obj, Sqlite) else ""
    return BadDatabase(N_("The database cannot be used: {why}"), why=told) if told else None


def _told_by_postgres(error: BaseException) -> str | None:
    if not is_postgres():
        return None
    from core.storage.postgres import told_by  # noqa: PLC0415 - its driver is an extra

    return told_by(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it came from: a failed rollback hides what made it necessary."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def one_of(field: Field, values: Collection[int]) -> NodeList:
    """`field IN values` with all values bound as one, so that the statement is nearly always the
    same: only for a single value it is another one.

    Bound one by one, each value would cost peewee several microseconds, and the engine would need a
    new plan for each number of values. For a list PostgreSQL plans anew each time, since it does
    not know how long it is; for a single value it keeps its plan.
    """
    condition, value = is_one_of(values)
    return NodeList((field, SQL(condition, [value])))


def is_one_of(values: Collection[int]) -> tuple[str, object]:
    """The same for SQL that is written out: the condition after a column, and its value."""
    if is_single(values):
        condition = f"= {proxy.param}"
    else:
        condition = "= ANY(%s)" if is_postgres() else "IN (SELECT value FROM json_each(?))"
    return condition, as_one_value(values)


def is_single(values: Collection[int]) -> bool:
    """Whether it is one value; a blank of `built_once` says so itself."""
    return values.value.is_single if isinstance(values, Value) else len(values) == 1


def as_one_value(values: Collection[int]) -> object:
    """How they are bound as one; a blank of `built_once` stays one."""
    if isinstance(values, Value):
        return values.value
    if is_single(values):
        return next(iter(values))
    return list(values) if is_postgres() else json.dumps(list(values))


def as_table(types: Sequence[str], rows: Sequence[Sequence[object]]) -> tuple[str, list[object]]:
    """SQL for a table of these rows on PostgreSQL, and its values; there must be some. A single row
    is written out, so that the plan is kept: of a statement with lists PostgreSQL keeps none, since
    it does not know how long they are.
    """
    if len(rows) == 1:
        return f"(VALUES ({', '.join(f'%s::{each}' for each in types)}))", list(rows[0])
    columns: list[object] = [list(column) for column in zip(*rows, strict=True)]
    return f"unnest({', '.join(f'%s::{each}[]' for each in types)})", columns
