"""PostgreSQL as operators have it: with defaults of its own, behind PgBouncer, or gone silent.

What a session is like is ours to say: what the server, the role or the environment sets by default
must change nothing. Connected directly it is said once for each connection. Behind a pooler in
transaction mode each transaction may get another connection, with whatever the client before left
there: so it is said in each transaction, nothing is prepared, and no statement is alone.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from peewee import Psycopg3Adapter, __exception_wrapper__
from playhouse.pool import PooledPostgresqlDatabase
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from core.errors import BadDatabase

_CONNECT_TIMEOUT = 10  # seconds
_STATEMENT_TIMEOUT = "20s"  # the server gives a statement up, and its locks with it
_ANSWER_TIMEOUT = 25.0  # seconds: we give a server up that did not even do that
_PING_TIMEOUT = 5.0  # seconds, for who has nothing to do but to say that it is there
_POOL_SIZE = 20
_STALE_AFTER = 300  # seconds

# A host that vanished is noticed whether or not something is on its way to it.
_KEEPING_ALIVE = {
    "keepalives": 1,
    "keepalives_idle": 10,  # seconds, as the next
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,  # milliseconds
}

# The worker's own: their loss repeats a POST, no more. And should its host vanish, others must not
# find what it had locked passed over until the server's own TCP gives up, two hours later.
_UNSYNCED = ("synchronous_commit = off", "idle_in_transaction_session_timeout = '60s'")

# A pooler makes up the number of the process behind it. Where a session may have been left
# by somebody else, its search path says less than where our tables are.
_WHO_IS_THERE = r"""
SELECT pg_backend_pid(), (
    SELECT quote_ident(name) FROM unnest(current_schemas(false)) WITH ORDINALITY AS path(name, nth)
    WHERE name NOT LIKE 'pg\_%' ORDER BY nth LIMIT 1
), (
    SELECT quote_ident(nspname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relname = 'schema_migration' AND relkind = 'r' AND nspname NOT LIKE 'pg\_%'
    ORDER BY pg_table_is_visible(pg_class.oid) DESC, nspname <> 'public', nspname LIMIT 1
)
"""


class NoAnswer(psycopg.OperationalError):
    """The server holds the connection and says nothing."""


class Connection(psycopg.Connection[Any]):
    """One whose every wait for an answer has an end."""

    answer_timeout: float | None = _ANSWER_TIMEOUT

    def wait(
        self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None
    ) -> Any:  # psycopg's own
        try:
            return super().wait(gen, interval, self.answer_timeout if timeout is None else timeout)
        except psycopg.OperationalError:
            if timeout is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # what it may say yet would be taken for another's answer
                raise NoAnswer(f"no answer within {self.answer_timeout:g} s") from None
            raise


class Session:
    """What a new connection turned out to be."""

    def __init__(self, connection: Connection) -> None:
        [(pid, current, ours)] = connection.execute(_WHO_IS_THERE, prepare=False).fetchall()
        self.is_pooled = pid != connection.info.backend_pid
        schema = ((ours or current) if self.is_pooled else current) or "public"
        self.settings = (
            f"search_path = {schema}, pg_temp",  # named, a temporary table comes last, not first
            "TimeZone = 'UTC'",
            "lock_timeout = 0",
            f"statement_timeout = '{_STATEMENT_TIMEOUT}'",
        )
        if self.is_pooled:
            connection.prepare_threshold = None
        else:
            lasting = ("default_transaction_isolation = 'read committed'", *self.settings)
            connection.execute("; ".join(f"SET {each}" for each in lasting), prepare=False)


def _require_utf8(connection: Connection) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise BadDatabase(
            f"The database is in {encoding}, where not every answer can be stored: make one with "
            "`CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'`, bring the tables over with "
            "`pg_dump`, and name it in [database] url."
        )


def connect(url: str, **options: Any) -> tuple[Connection, Session]:
    """A new connection, in autocommit; `options` are libpq's."""
    url = url.replace("postgres://", "postgresql://", 1)
    told = {"connect_timeout": _CONNECT_TIMEOUT, **_KEEPING_ALIVE, "client_encoding": "UTF8"}
    if "options" not in _parameters(url):
        told["options"] = ""  # not the environment's, which a pooler refuses
    connection = Connection.connect(url, autocommit=True, **{**told, **options})
    try:
        return connection, Session(connection)
    except BaseException:
        connection.close()
        raise


def _parameters(url: str) -> dict[str, Any]:
    try:
        return conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its words quote what it could not read
        raise BadDatabase(
            "PostgreSQL's driver does not know what follows the question mark: check [database] "
            "url and [queue] url."
        ) from None


class _Adapter(Psycopg3Adapter):
    def connect(self, db: "Postgres", **_: Any) -> Connection:
        connection, db.session = connect(db.database)
        _require_utf8(connection)
        return connection


class _Manner(threading.local):
    """How the transactions of one thread are made."""

    synced = True
    patient = False


class Postgres(PooledPostgresqlDatabase):
    """A pool of connections, of which none that went silent is used again."""

    psycopg3_adapter = _Adapter

    def __init__(self, url: str) -> None:
        self.session: Session | None = None  # of the latest connection: all are of one kind
        self.manner = _Manner()
        super().__init__(
            url.replace("postgres://", "postgresql://", 1),
            max_connections=_POOL_SIZE,
            stale_timeout=_STALE_AFTER,
            timeout=_CONNECT_TIMEOUT,
            prefer_psycopg3=True,
        )

    @property
    def is_pooled(self) -> bool:
        """Whether PgBouncer or its like stands between; connects to find out."""
        self.connection()
        return self.session is not None and self.session.is_pooled

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """For what may take as long as it takes: this thread's next transactions."""
        connection: Connection = self.connection()
        self.manner.patient, connection.answer_timeout = True, None
        try:
            yield
        finally:
            self.manner.patient, connection.answer_timeout = False, _ANSWER_TIMEOUT

    def begin(self, isolation_level: Any = None) -> None:  # noqa: ARG002 - it is ours to say
        is_pooled = self.is_pooled
        begin = "BEGIN ISOLATION LEVEL READ COMMITTED" if is_pooled else "BEGIN"
        said = [begin, *(f"SET LOCAL {each}" for each in self._settings(is_pooled=is_pooled))]
        with __exception_wrapper__:
            self.cursor().execute("; ".join(said), prepare=False)

    def _settings(self, *, is_pooled: bool) -> tuple[str, ...]:
        known = self.session.settings if self.session is not None and is_pooled else ()
        unsynced = () if self.manner.synced else _UNSYNCED
        return (*known, *unsynced, *("statement_timeout = 0",) * self.manner.patient)

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        if self.in_transaction() or not self.is_pooled:
            return super().execute_sql(sql, params)
        with self.atomic():
            return super().execute_sql(sql, params)

    def _is_closed(self, conn: Connection) -> bool:
        """Asked before one that lay idle is used again, while the others wait for theirs."""
        conn.answer_timeout = _PING_TIMEOUT
        is_closed = bool(super()._is_closed(conn))
        conn.answer_timeout = _ANSWER_TIMEOUT
        return is_closed and self._distrust_idle()

    def _can_reuse(self, conn: Connection) -> bool:
        return bool(super()._can_reuse(conn)) or not self._distrust_idle()

    def _distrust_idle(self) -> bool:
        """As one was found dead, so may all be that lie idle: each would cost a wait of its own."""
        self.close_idle()
        return True


def told_by(error: BaseException) -> str | None:
    """What the server's code for an error means to an operator, where it is worth a sentence."""
    original = getattr(error, "orig", error)
    if isinstance(original, NoAnswer):
        return (
            f"The database does not answer ({original}): check [database] url and what is between."
        )
    code = getattr(original, "sqlstate", None) or ""
    return _MEANINGS.get(code) or _MEANINGS.get(code[:2])


_BUSY = "The database was busy for too long: nothing was changed; try again."
_MEANINGS = {
    "57014": _BUSY,  # a statement's time was up
    "55P03": _BUSY,
    "42501": "The role in the URL may not do that: `init`, `migrate` and `copy-from` need the one "
    "that owns the tables, so name its configuration with --config.",
    "40": "Somebody else changed the same at the same time: nothing was changed; try again.",
    "53100": "The disk is full: nothing was changed; make room and try again.",
    "25006": "The database is a standby or set to read only, so nothing can be written: name its "
    "primary in [database] url.",
}
