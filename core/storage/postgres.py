"""PostgreSQL as operators have it: with defaults of their own, behind PgBouncer, or gone silent.

We decide what a session is like: the defaults of the server, the role or the environment must not
change anything. On a direct connection we set it once. Behind a pooler in transaction mode each
transaction may get another connection, in the state in which its last client left it: there we set
it in each transaction, prepare nothing, and run no statement outside of a transaction.
"""

import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import psycopg
from peewee import OperationalError, Psycopg3Adapter, __exception_wrapper__
from playhouse.pool import MaxConnectionsExceeded, PooledPostgresqlDatabase
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from core.domain.language import N_
from core.errors import BadDatabase

_CONNECT_TIMEOUT = 10  # seconds
_STATEMENT_TIMEOUT = "20s"  # after this the server gives up a statement, and its locks
_ANSWER_TIMEOUT = 25.0  # seconds: after this we give up a server that did not do so
_PING_TIMEOUT = 5.0  # seconds, for an answer that takes no work at all
_STALE_AFTER = 300  # seconds
_SURE_FOR = 1.0  # seconds in which a connection that lies idle is not asked whether it is alive

# We notice that a host has vanished, whether or not data is on its way to it.
_KEEPING_ALIVE = {
    "keepalives": 1,
    "keepalives_idle": 10,  # seconds, as in the next line
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,  # milliseconds
}

# How long a transaction may lie idle is left to the operator: a till that hangs in one is not ours.
_SETTINGS = (
    "TimeZone = 'UTC'",
    "DateStyle = 'ISO'",  # the driver reads moments in no other
    "array_nulls = on",  # else NULL in an array that we write out is a text
    "lock_timeout = 0",
    f"statement_timeout = '{_STATEMENT_TIMEOUT}'",
)
_NEWER = (  # since which version of the server
    (140_000, "idle_session_timeout = 0"),  # whoever listens for NOTIFY is idle all the time
    (170_000, "transaction_timeout = 0"),
)

# For the worker alone: losing these only repeats a POST. And if its host vanishes, others must not
# be kept from what it had locked until the server's own TCP gives up, two hours later. And each of
# its statements goes by an index: a plan that is kept may have been made for empty tables.
_UNSYNCED = (
    "synchronous_commit = off",
    "idle_in_transaction_session_timeout = '60s'",
    "enable_seqscan = off",
)

# A pooler makes up the number of the process behind it. And where somebody else may have changed
# the session, its search path does not tell where our tables are.
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
    """The server keeps the connection open and says nothing."""


class NoneFree(OperationalError):
    """All the connections that this process may have are in use."""


class Connection(psycopg.Connection[Any]):
    """A connection on which every wait for an answer ends."""

    answer_timeout: float | None = _ANSWER_TIMEOUT
    idle_since = 0.0  # by the monotonic clock

    @property
    def is_surely_alive(self) -> bool:
        """Whether that is known without asking: it was just used, and its server, which says so
        when it ends, has said nothing since.
        """
        if self.closed or monotonic() - self.idle_since > _SURE_FOR:
            return False
        news = select.poll()  # its number may be too large for `select`
        news.register(self, select.POLLIN)
        return not news.poll(0)

    def wait(
        self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None
    ) -> Any:  # psycopg's own
        try:
            return super().wait(gen, interval, self.answer_timeout if timeout is None else timeout)
        except psycopg.OperationalError:
            if timeout is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # a late answer would be taken for another one
                raise NoAnswer(f"no answer within {self.answer_timeout:g} s") from None
            raise


class Session:
    """What we found out about a new connection."""

    def __init__(self, connection: Connection) -> None:
        [(pid, current, ours)] = connection.execute(_WHO_IS_THERE, prepare=False).fetchall()
        self.is_pooled = pid != connection.info.backend_pid
        schema = ((ours or current) if self.is_pooled else current) or "public"
        self.settings = (
            f"search_path = {schema}, pg_temp",  # named, temporary tables come last, not first
            *_SETTINGS,
            *(each for since, each in _NEWER if connection.info.server_version >= since),
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
    """A new connection in autocommit mode; `options` are libpq's."""
    url = url.replace("postgres://", "postgresql://", 1)
    told = {"connect_timeout": _CONNECT_TIMEOUT, **_KEEPING_ALIVE, "client_encoding": "UTF8"}
    if "options" not in _parameters(url):
        told["options"] = ""  # not the environment's options, which a pooler refuses
    connection = Connection.connect(url, autocommit=True, **{**told, **options})
    try:
        return connection, Session(connection)
    except BaseException:
        connection.close()
        raise


def _parameters(url: str) -> dict[str, Any]:
    try:
        return conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # the driver's message quotes what it could not read
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
    """A pool of connections, which does not use one again that went silent."""

    psycopg3_adapter = _Adapter

    def __init__(self, url: str, connections: int) -> None:
        self.session: Session | None = None  # of the latest connection: all are of one kind
        self.manner = _Manner()
        super().__init__(
            url.replace("postgres://", "postgresql://", 1),
            max_connections=connections,
            stale_timeout=_STALE_AFTER,
            timeout=_CONNECT_TIMEOUT,
            prefer_psycopg3=True,
        )

    def connect(self, reuse_if_open: bool = False) -> bool:  # noqa: FBT001, FBT002 - peewee's
        try:
            return bool(super().connect(reuse_if_open))
        except MaxConnectionsExceeded:
            raise NoneFree(f"{self._max_connections} connections") from None

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler such as PgBouncer stands between. Connects to find out."""
        self.connection()
        return self.session is not None and self.session.is_pooled

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """Let this thread's next transactions take as long as they need."""
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
        """Whether a connection that lay idle is dead. It is asked before it is used again, while
        others wait for theirs.
        """
        if conn.is_surely_alive:
            return False
        conn.answer_timeout = _PING_TIMEOUT
        is_closed = bool(super()._is_closed(conn))
        conn.answer_timeout = _ANSWER_TIMEOUT
        return is_closed and self._distrust_idle()

    def _can_reuse(self, conn: Connection) -> bool:
        conn.idle_since = monotonic()
        return bool(super()._can_reuse(conn)) or not self._distrust_idle()

    def _distrust_idle(self) -> bool:
        """Give up all idle connections: where one is dead the others may be too, and each would
        cost a wait of its own.
        """
        self.close_idle()
        return True


def told_by(error: BaseException) -> str | None:
    """What the server's code for an error means to an operator, where it is worth a sentence."""
    original = getattr(error, "orig", error)
    if isinstance(error, NoneFree):
        return _BUSY
    if isinstance(original, NoAnswer):
        return (
            f"The database does not answer ({original}): check [database] url and what is between."
        )
    code = getattr(original, "sqlstate", None) or ""
    return _MEANINGS.get(code) or _MEANINGS.get(code[:2]) or _meaning_of_text(str(original))


def _meaning_of_text(told: str) -> str | None:
    """The same for what comes with a code that says less, or with none."""
    return next((meaning for part, meaning in _TEXTS.items() if part in told), None)


_NO_MORE = N_(
    "The database takes no more connections: raise its `max_connections` or the limit of the role "
    "or database, or put PgBouncer before it."
)
_TEXTS = {  # the server's are in its own language
    **dict.fromkeys(("too many connections", "too many clients", "connection slots"), _NO_MORE),
    **dict.fromkeys(("trop de connexions", "trop de clients", "emplacements de conn"), _NO_MORE),
    **dict.fromkeys(("zu viele Verbindungen", "verbleibenden Verbindung"), _NO_MORE),
    "no more connections allowed": N_(
        "PgBouncer takes no more connections: raise its `max_client_conn`."
    ),
    "statement pooling mode": N_(
        "PgBouncer pools statements, so there are no transactions: set its `pool_mode` to "
        "`transaction`."
    ),
}
_BUSY = N_("The database was busy for too long: nothing was changed; try again.")
_MEANINGS = {
    "57014": _BUSY,  # the statement took longer than allowed
    "55P03": _BUSY,
    "42501": N_(
        "The role in the URL may not do that: `init`, `migrate` and `copy-from` need the "
        "one that owns the tables, so name its configuration with --config; all else needs rights "
        "to every table."
    ),
    "40": N_("Somebody else changed the same at the same time: nothing was changed; try again."),
    "53100": N_("The disk is full: nothing was changed; make room and try again."),
    "25006": N_(
        "The database is a standby or set to read only, so nothing can be written: name "
        "its primary in [database] url."
    ),
}
