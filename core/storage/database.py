"""Opening the database that holds everything: SQLite by default, PostgreSQL by URL."""

import json
import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from peewee import (
    SQL,
    Database,
    DatabaseProxy,
    Field,
    ImproperlyConfigured,
    InterfaceError,
    Model,
    NodeList,
    OperationalError,
    PeeweeException,
    SqliteDatabase,
)

from core.domain.engine_url import SQLITE_PREFIX
from core.errors import BadDatabase
from core.storage.folders import told_of_owner

T = TypeVar("T")

_BUSY_PATIENCE = 30.0  # seconds a writer waits for its turn before the action fails
_BUSY_PAUSE = (0.0002, 0.001)  # seconds of jitter between two tries of a BEGIN
_INSERT_BATCH = 500  # rows a statement

proxy = DatabaseProxy()
"""What the models are bound to; `open_database` says which database that is."""


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
            # Whoever is told "done" keeps it through a loss of power: NORMAL would not sync a
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
        # Switching a new file to WAL needs a lock too, and may be refused like any other.
        return _patiently(super()._connect)

    def _add_conn_hooks(self, conn: Any) -> None:
        """What becomes free can be given back: said of a new file alone, since it is written."""
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


def open_database(url: str, *, create: bool = False) -> Database:
    """Bind the models to the database at `url`, without connecting to it yet.

    `url` is `sqlite:///FILE` or `postgresql://user:password@host/name`. Raises BadDatabase when
    PostgreSQL's driver is not installed, or the file is missing and not to be made.
    """
    path = sqlite_path(url)
    if path is not None and not create and not path.exists():
        raise BadDatabase(
            f"There is no database {path}: make one with `aurapos-webhooks init`, or mend "
            "[database] url."
        )
    database = _database(url)
    proxy.initialize(database)
    return database


def _database(url: str) -> Database:
    if url.startswith(SQLITE_PREFIX):
        return Sqlite(url.removeprefix(SQLITE_PREFIX))
    try:
        from core.storage.postgres import Postgres  # noqa: PLC0415 - its driver is an extra
    except ImportError:
        raise BadDatabase(
            "PostgreSQL needs its driver: install the program with its extra, "
            "`aurapos-webhooks[postgres]`."
        ) from None
    return Postgres(url)


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite URL; None for another engine."""
    return Path(url.removeprefix(SQLITE_PREFIX)) if url.startswith(SQLITE_PREFIX) else None


@contextmanager
def connection() -> Iterator[None]:
    """A connection for one unit of work: the caller's own where it has one open already. Raises
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
    """Make this call once the transaction has been committed; not at all where it is undone."""
    proxy.after_commit(call)


def hold_connection(*, synced: bool = True) -> None:
    """Keep this thread's SQLite connection open: opening one costs more than most transactions.
    Nothing once it is held, so that it may be asked for before each use.

    Not `synced`, on both engines, a loss of power may undo this thread's latest transactions, but
    none that anybody else has committed since: only for what can be done again.

    What would undo a statement that changes many rows is kept in memory: in a file, as is SQLite's
    default, it is a quarter of what settling costs. Its own waits for a lock end at once, and ours
    begin: between two busy workers they cost a twelfth of the rate. PostgreSQL's connections come
    from a pool, and only one taken from it anew survives a restart of the server.
    """
    if is_postgres():
        proxy.manner.synced = synced
    elif proxy.is_closed():
        proxy.connect()
        proxy.execute_sql(f"PRAGMA synchronous = {'full' if synced else 'normal'}")
        proxy.execute_sql("PRAGMA temp_store = memory")
        proxy.execute_sql("PRAGMA busy_timeout = 1")


def release_connection() -> None:
    if not proxy.is_closed():
        proxy.close()


_ABOUT_A_VALUE = ("22", "23", "54")  # SQLSTATE's classes: data, constraints, the engine's limits


def is_about_a_value(error: Exception) -> bool:
    """Whether it was refused for what it is; else the database is away, busy or full."""
    if isinstance(error, OperationalError | InterfaceError):
        code = getattr(getattr(error, "orig", error), "sqlstate", None) or ""
        return code.startswith(_ABOUT_A_VALUE)
    return True


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the database engine raises into one sentence an operator can act on."""
    try:
        yield
    except PeeweeException as error:
        raise BadDatabase(explain(error)) from error


def explain(error: PeeweeException) -> str:
    """One sentence for an engine's error, and how to mend it."""
    codes = {_sqlite_code(link) for link in _chain(error)}
    if "SQLITE_FULL" in codes:
        return "The disk is full: nothing was changed; make room and try again."
    if any(code.startswith("SQLITE_BUSY") for code in codes):
        return "The database was busy for too long: nothing was changed; try again."
    if any(code.startswith("SQLITE_READONLY") for code in codes):
        return _told_of_owner() or (
            "The database cannot be written: check who owns the file and its folder."
        )
    if "SQLITE_NOTADB" in codes:
        return "The database file is not an SQLite database: check [database] url."
    if "SQLITE_CANTOPEN" in codes:
        return _told_of_owner() or (
            "The database cannot be opened: check [database] url and who owns the folder."
        )
    told = next(filter(None, map(_told_by_postgres, _chain(error))), None)
    if told is not None:
        return told
    if isinstance(error, OperationalError | InterfaceError | ImproperlyConfigured):
        return f"The database does not answer ({first_line(error)}): check [database] url."
    return f"The database refused this ({first_line(error)}): run `aurapos-webhooks doctor`."


def _told_of_owner() -> str:
    """As after a backup that root put back."""
    told = told_of_owner(Path(proxy.obj.database)) if isinstance(proxy.obj, Sqlite) else ""
    return told and f"The database cannot be used: {told}"


def _told_by_postgres(error: BaseException) -> str | None:
    if not is_postgres():
        return None
    from core.storage.postgres import told_by  # noqa: PLC0415 - its driver is an extra

    return told_by(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it arose from: a failed rollback hides what made it necessary."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def one_of(field: Field, values: Collection[int]) -> NodeList:
    """`field IN values` as one bound value, so that the statement is the same for any number.

    Bound one by one they cost peewee several microseconds each, and the engine a new plan.
    """
    condition, value = is_one_of(values)
    return NodeList((field, SQL(condition, [value])))


def is_one_of(values: Collection[int]) -> tuple[str, object]:
    """The same for statements that are written out: what follows the column, and its value."""
    if is_postgres():
        return "= ANY(%s)", list(values)
    return "IN (SELECT value FROM json_each(?))", json.dumps(list(values))


class Prepared(NamedTuple):
    """A statement with its values, made where nobody waits: in a transaction it only runs."""

    sql: str
    values: list[Any]

    def run(self) -> None:
        proxy.execute_sql(*self)


def prepare_inserts(
    table: type[Model], fields: Sequence[Field], rows: Sequence[Sequence[Any]]
) -> list[Prepared]:
    """What inserts these rows, each in the order of `fields`, none too long for any engine."""
    one = f"({', '.join([proxy.param] * len(fields))})"
    name = table._meta.table_name  # noqa: SLF001 - peewee's public name for it
    columns = ", ".join(field.column_name for field in fields)
    convert = [field.db_value for field in fields]
    batches = (rows[start : start + _INSERT_BATCH] for start in range(0, len(rows), _INSERT_BATCH))
    return [
        Prepared(
            f"INSERT INTO {name} ({columns}) VALUES {', '.join([one] * len(batch))}",
            [to_db(value) for row in batch for to_db, value in zip(convert, row, strict=True)],
        )
        for batch in batches
    ]


def insert_rows(table: type[Model], fields: Sequence[Field], rows: Sequence[Sequence[Any]]) -> None:
    for statement in prepare_inserts(table, fields, rows):
        statement.run()
