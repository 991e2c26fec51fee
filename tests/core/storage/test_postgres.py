"""A session is ours, directly and behind a pooler; a server that says nothing is given up."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from peewee import OperationalError, PeeweeException

from core.storage import postgres
from core.storage.database import connection, explain, open_database, proxy, transaction
from core.storage.schema import migrate
from tests.support import pgbouncer, servers
from tests.support.scene import close_database
from tests.support.servers import Postgres, restartable_postgres
from tests.support.silence import Silenceable, silenceable
from tests.support.waiting import PATIENCE

OURS = {
    "search_path": "public, pg_temp",
    "TimeZone": "UTC",
    "lock_timeout": "0",
    "statement_timeout": "20s",
    "transaction_isolation": "read committed",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, DMY",
    "array_nulls": "on",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
}
THEIRS = {
    "search_path": "pg_temp, public",
    "TimeZone": "Asia/Tokyo",
    "lock_timeout": "3s",
    "statement_timeout": "3s",
    "default_transaction_isolation": "serializable",
    "DateStyle": "German",
    "array_nulls": "off",
    "idle_session_timeout": "10min",
    "transaction_timeout": "10min",
}
SINCE = {"idle_session_timeout": 140_000, "transaction_timeout": 170_000}


@pytest.fixture(scope="module")
def server(a_server: None) -> Iterator[Postgres]:
    with restartable_postgres() as running:
        yield running


@pytest.fixture
def theirs(server: Postgres) -> Iterator[None]:
    """What the database says by default."""
    with psycopg.connect(server.url, autocommit=True) as operator:
        for name in known(THEIRS, operator.info.server_version):
            written = THEIRS[name] if "," in THEIRS[name] else f"'{THEIRS[name]}'"
            operator.execute(f"ALTER DATABASE postgres SET {name} = {written}")
        yield
        operator.execute("ALTER DATABASE postgres RESET ALL")


def known(names: Iterable[str], version: int) -> list[str]:
    """Those of these settings that a server of this version has."""
    return [name for name in names if version >= SINCE.get(name, 0)]


def shown() -> dict[str, str]:
    names = known(OURS, proxy.connection().info.server_version)
    return {name: proxy.execute_sql(f"SHOW {name}").fetchone()[0] for name in names}


def ours() -> dict[str, str]:
    return {name: OURS[name] for name in known(OURS, proxy.connection().info.server_version)}


def run(*statements: str) -> None:
    for each in statements:
        proxy.execute_sql(each)


def bound(url: str) -> None:
    open_database(url)
    migrate()


def test_directly_a_session_is_ours_from_its_beginning(server: Postgres, theirs: None) -> None:
    bound(server.url)
    with connection():
        assert shown() == ours()
        assert not proxy.is_pooled
        assert proxy.connection().prepare_threshold
    with transaction():
        assert shown() == ours()
    close_database()


def test_an_older_server_is_asked_for_what_it_knows(
    a_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    oldest = servers.find_postgresql(oldest=True)
    monkeypatch.setattr(servers, "find_postgresql", lambda: oldest)
    with restartable_postgres() as older:
        bound(older.url)
        with connection():
            assert shown().items() >= {"array_nulls": "on", "lock_timeout": "0"}.items()
        close_database()


@pgbouncer.needed
def test_behind_a_pooler_every_statement_is_in_a_transaction_of_ours(
    server: Postgres, theirs: None
) -> None:
    with pgbouncer.pgbouncer(server) as bouncer:
        bound(bouncer.url)
        with connection():
            assert proxy.is_pooled
            assert shown() == ours()
            assert proxy.connection().prepare_threshold is None
        with transaction():
            assert shown() == ours()
        close_database()


@pgbouncer.needed
def test_a_pooler_of_statements_is_told_as_such(server: Postgres) -> None:
    with pgbouncer.pgbouncer(server, "statement") as bouncer:
        open_database(bouncer.url)
        with pytest.raises(OperationalError) as caught, transaction():
            proxy.execute_sql("SELECT 1")
        assert "set its `pool_mode` to `transaction`" in explain(caught.value)
        close_database()


def test_a_temporary_table_of_another_s_is_not_taken_for_ours(server: Postgres) -> None:
    bound(server.url)
    with transaction():
        proxy.execute_sql("CREATE TEMPORARY TABLE event (id int) ON COMMIT DROP")
        assert proxy.execute_sql("SELECT count(key) FROM event").fetchone() == (0,)
    close_database()


def test_a_statement_that_takes_too_long_is_told_as_such(server: Postgres) -> None:
    bound(server.url)
    with pytest.raises(OperationalError) as caught, transaction():
        run("SET LOCAL statement_timeout = '10ms'", "SELECT pg_sleep(60)")
    assert "busy for too long" in explain(caught.value)
    close_database()


def test_a_database_that_is_only_read_is_told_as_such(server: Postgres) -> None:
    bound(server.url)
    with pytest.raises(PeeweeException) as caught, transaction():
        run("SET TRANSACTION READ ONLY", "DELETE FROM event")
    assert "name its primary" in explain(caught.value)
    close_database()


def ask_in_silence(way: Silenceable) -> None:
    proxy.connection().answer_timeout = 0.5
    way.silence()
    proxy.execute_sql("SELECT 1")


def test_a_limit_of_connections_is_told_as_such(server: Postgres) -> None:
    with psycopg.connect(server.url, autocommit=True) as operator:
        operator.execute("CREATE ROLE few LOGIN CONNECTION LIMIT 0")
        open_database(server.url.replace("postgres@", "few@"))
        with pytest.raises(OperationalError) as caught, connection():
            pass
        assert "takes no more connections" in explain(caught.value)
        close_database()
        operator.execute("DROP ROLE few")


def test_the_threads_of_a_process_share_its_connections(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_CONNECT_TIMEOUT", 1)
    open_database(server.url, connections=1)
    with ThreadPoolExecutor(1) as other:
        with connection(), pytest.raises(OperationalError) as caught:
            other.submit(proxy.connect).result()
        assert "was busy for too long" in explain(caught.value)
        other.submit(proxy.connect).result()
        other.submit(proxy.close).result()
    close_database()


def test_a_connection_just_used_is_asked_nothing_but_once_the_server_has_ended_it_is_not_used(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_SURE_FOR", PATIENCE)
    open_database(server.url, connections=1)
    with monkeypatch.context() as here:
        before = backend()
        here.setattr(proxy.obj._adapter, "is_connection_closed", None)
        assert backend() == before
    with psycopg.connect(server.url, autocommit=True) as operator:
        operator.execute("SELECT pg_terminate_backend(%s, 10000)", [before])
    assert backend() != before
    close_database()


def test_a_connection_that_lay_idle_for_longer_is_asked_whether_it_is_alive(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(postgres, "_SURE_FOR", -1.0)
    open_database(server.url, connections=1)
    before = backend()
    monkeypatch.setattr(proxy.obj._adapter, "is_connection_closed", asked.append)
    assert backend() == before
    assert len(asked) == 1
    close_database()


def backend() -> int:
    """Who serves the one connection of this process."""
    with connection():
        [pid] = proxy.execute_sql("SELECT pg_backend_pid()").fetchone()
    return int(pid)


def test_a_silent_server_is_given_up_and_none_of_its_idle_connections_is_used_again(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres.Connection, "answer_timeout", 0.5)
    monkeypatch.setattr(postgres, "_PING_TIMEOUT", 0.5)
    with silenceable(server.port) as way:
        bound(server.url.replace(str(server.port), str(way.port)))
        with pytest.raises(OperationalError) as caught, transaction():
            ask_in_silence(way)
        assert "does not answer (no answer within 0.5 s)" in explain(caught.value)
        with transaction():
            assert proxy.execute_sql("SELECT 2").fetchone() == (2,)
        close_database()
