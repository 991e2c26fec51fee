"""PostgreSQL as operators have it, and gone silent."""

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from tests.support import pgbouncer
from tests.support.installation import FAST, Installation, Storage
from tests.support.pgbouncer import PgBouncer
from tests.support.refusing import refused
from tests.support.scene import nothing_waits
from tests.support.scripted import Scripted, after, answer, receiving
from tests.support.servers import Postgres, restartable_postgres
from tests.support.silence import Silenceable, silenceable
from tests.support.waiting import wait_until

STARTED = "worker started"
EMOJI = "merci 😀 €".encode()


@pytest.fixture
def server() -> Iterator[Postgres]:
    with restartable_postgres() as running:
        yield running


@pytest.fixture
def way(server: Postgres) -> Iterator[Silenceable]:
    with silenceable(server.port) as to_it:
        yield to_it


@pytest.fixture
def bouncer(server: Postgres) -> Iterator[PgBouncer]:
    with pgbouncer.pgbouncer(server) as before_it:
        yield before_it


def through(way: Silenceable) -> str:
    return f"postgresql://postgres@127.0.0.1:{way.port}/postgres"


def run_sql(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql)


def installed_on(url: str, folder: Path) -> Installation:
    installed = Installation(folder, FAST, Storage(url))
    installed.init()
    return installed


def each_once(receiver: Scripted, count: int) -> bool:
    seen = Counter(request.headers["X-AuraPOS-Delivery"] for request in receiver.requests)
    return len(seen) == count == seen.total()


@pytest.mark.slow
@pytest.mark.fault(39, "PostgreSQL black-holed")
def test_a_worker_whose_connections_fell_silent_goes_on_over_new_ones(
    tmp_path: Path, way: Silenceable, receiver: Scripted
) -> None:
    installed = installed_on(through(way), tmp_path)
    installed.add_webhook(receiver.url)
    with installed.worker() as worker:
        worker.wait_for(STARTED)
        installed.emit()
        worker.wait_for("debug delivered")
        way.silence()
        installed.emit()
        wait_until(lambda: len(receiver.requests) == 2)
        wait_until(lambda: sum("debug delivered" in line for line in worker.log) == 2)
        assert worker.stop() == 0
    assert each_once(receiver, 2)


@pytest.mark.slow
@pytest.mark.fault(39, "PostgreSQL black-holed")
def test_a_worker_told_to_end_while_postgresql_is_silent_does_so_in_time(
    tmp_path: Path, way: Silenceable
) -> None:
    finish = threading.Event()
    installed = installed_on(through(way), tmp_path)
    with receiving(after(finish, answer(200))) as receiver:
        installed.add_webhook(receiver.url)
        with installed.worker() as worker:
            worker.wait_for(STARTED)
            installed.emit()
            wait_until(lambda: receiver.requests)
            way.silences_new = True
            way.silence()
            finish.set()
            assert worker.time_ran_out()
        way.silences_new = False
        wait_until(lambda: is_due_again(installed))
        installed.ok("tick")
    assert [row["status"] for row in installed.deliveries()] == ["delivered"]


def is_due_again(installed: Installation) -> bool:
    """The lease of what the worker had in flight has run out."""
    return bool(installed.json("status")["due"])


@pgbouncer.needed
@pytest.mark.fault(43, "PgBouncer in transaction mode")
def test_behind_pgbouncer_nothing_depends_on_the_session(
    tmp_path: Path, bouncer: PgBouncer, server: Postgres, receiver: Scripted
) -> None:
    installed = installed_on(bouncer.url, tmp_path)
    installed.add_webhook(receiver.url)
    with psycopg.connect(bouncer.url, autocommit=True, prepare_threshold=None) as other:
        other.execute("SET search_path = elsewhere")  # which whoever comes next would find
    run_sql(server.url, "ALTER DATABASE postgres SET default_transaction_isolation = serializable")
    installed.push(200)
    with installed.worker("--workers", "2") as worker:
        wait_until(lambda: len(receiver.requests) == 200)
        wait_until(lambda: installed.json("status")["due"] == 0)
        assert worker.stop() == 0
    assert each_once(receiver, 200)
    assert not [line for line in worker.log if " error " in line]
    assert "PgBouncer" in installed.run("doctor").stdout


@pytest.mark.fault(44, "a database or a client that is not UTF-8")
def test_a_database_that_is_not_utf_8_is_refused_in_one_sentence(
    tmp_path: Path, server: Postgres
) -> None:
    run_sql(
        server.url,
        "CREATE DATABASE old TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
    )
    right = installed_on(server.url, tmp_path)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(right.config.read_text().replace('/postgres"', '/old"'))
    for command in (["init", "--business", "A", "--edition", "group", "--owner", "m"], ["worker"]):
        done = right.run("--config", wrong, *command)
        assert done.returncode == 1
        assert done.stderr.startswith("The database is in LATIN1, ")
        assert done.stderr.count("\n") == 1
    examined = right.run("--config", wrong, "doctor").stdout
    assert "BAD     database  The database is in LATIN1, " in examined


@pytest.mark.fault(44, "a database or a client that is not UTF-8")
def test_the_environment_does_not_say_how_text_is_encoded(
    tmp_path: Path, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=elsewhere -c statement_timeout=1")
    installed = installed_on(server.url, tmp_path)
    with receiving(answer(200, EMOJI)) as receiver:
        installed.add_webhook(receiver.url)
        installed.ok("emit", "ticket.created", "--key", "clé-€", stdin=b"{}")
        with installed.worker() as worker:
            worker.wait_for("debug delivered")
            assert worker.stop() == 0
    [row] = installed.deliveries()
    assert row["response"] == EMOJI.decode()


@pytest.mark.fault(45, "serializable by default")
def test_transactions_are_what_we_say_and_not_what_the_database_does(
    tmp_path: Path, server: Postgres, receiver: Scripted
) -> None:
    run_sql(server.url, "ALTER DATABASE postgres SET default_transaction_isolation = serializable")
    installed = installed_on(server.url, tmp_path)
    installed.add_webhook(receiver.url)
    installed.push(200)
    with installed.worker("--workers", "2") as worker:
        wait_until(lambda: len(receiver.requests) == 200)
        wait_until(lambda: installed.json("status")["due"] == 0)
        assert worker.stop() == 0
    assert each_once(receiver, 200)
    assert not [line for line in worker.log if " error " in line]


@pytest.mark.fault(67, "a database set to other notations, or to end what is idle")
def test_what_the_database_is_set_to_changes_nothing(
    tmp_path: Path, server: Postgres, receiver: Scripted
) -> None:
    installed = installed_on(server.url, tmp_path)
    installed.add_webhook(receiver.url)
    for each in ("DateStyle = German", "array_nulls = off", "idle_session_timeout = '100ms'"):
        run_sql(server.url, f"ALTER DATABASE postgres SET {each}")
    with installed.worker() as worker:
        wait_until(lambda: listens_idly_for(server.url, seconds=0.5))
        installed.emit()
        wait_until(lambda: sum("debug delivered" in line for line in worker.log) == 1)
        assert "Traceback" not in installed.run("doctor").stderr
        assert worker.stop() == 0
    assert each_once(receiver, 1)
    assert not [line for line in worker.log if " warning " in line or " error " in line]
    [attempt] = installed.attempts(installed.deliveries()[0])
    assert not attempt["error"]


def listens_idly_for(url: str, seconds: float) -> bool:
    """Whether somebody has listened for a ring of the bell for so long, and did nothing else."""
    idle = (
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN %%' AND now() - state_change > %s"
    )
    with psycopg.connect(url) as connection:
        return connection.execute(idle, [timedelta(seconds=seconds)]).fetchone() is not None


@pytest.mark.fault(68, "PostgreSQL allows few connections")
def test_a_worker_gets_by_with_six_connections(
    tmp_path: Path, server: Postgres, receiver: Scripted
) -> None:
    run_sql(server.url, "CREATE ROLE till LOGIN CONNECTION LIMIT 6")
    run_sql(server.url, "ALTER DATABASE postgres OWNER TO till")
    run_sql(server.url, "GRANT ALL ON SCHEMA public TO till")
    installed = installed_on(server.url.replace("postgres@", "till@"), tmp_path)
    installed.add_webhook(receiver.url)
    installed.push(200)
    assert "Only 6 connections are allowed" in installed.run("doctor").stdout
    with installed.worker() as worker:
        wait_until(lambda: len(receiver.requests) == 200)
        wait_until(lambda: "history pruned" in "".join(worker.log))
        assert worker.stop() == 0
    assert each_once(receiver, 200)
    assert not [line for line in worker.log if " error " in line]


@pytest.mark.fault(46, "an outcome that the database refuses")
def test_an_outcome_that_is_refused_is_set_aside_alone(installation: Installation) -> None:
    with receiving(answer(200, b"poison"), answer(200)) as receiver, refused("poison"):
        installation.add_webhook(receiver.url)
        installation.push(20)
        with installation.worker() as worker:
            wait_until(lambda: len(receiver.requests) == 20)
            wait_until(nothing_waits)
            assert worker.stop() == 0
    rows = installation.deliveries()
    assert {(row["status"], row["attempts"]) for row in rows} == {("delivered", 1)}
    assert Counter(row["response"] for row in rows) == {"ok": 19, "": 1}
    assert sum("error what came back could not be recorded" in line for line in worker.log) == 1
    assert each_once(receiver, 20)


@pytest.mark.fault(70, "a role that may not write a table")
@pytest.mark.parametrize("table", ["delivery", "attempt"])
def test_what_the_role_may_not_write_waits_until_it_may(
    tmp_path: Path, server: Postgres, receiver: Scripted, table: str
) -> None:
    """As where `migrate` made a table that nobody granted to the worker's role."""
    installed = installed_on(server.url, tmp_path)
    installed.add_webhook(receiver.url)
    run_sql(server.url, "CREATE ROLE till LOGIN")
    run_sql(server.url, "GRANT ALL ON ALL TABLES IN SCHEMA public TO till")
    run_sql(server.url, "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO till")
    run_sql(server.url, f"REVOKE INSERT ON {table} FROM till")
    installed.config.write_text(installed.config.read_text().replace("postgres@", "till@"))
    installed.push(2)
    with installed.worker() as worker:
        worker.wait_for("the pass was cut short: The role in the URL may not do that")
        run_sql(server.url, f"GRANT INSERT ON {table} TO till")
        wait_until(lambda: sum("debug delivered" in line for line in worker.log) == 2)
        assert worker.stop() == 0
    assert each_once(receiver, 2)
    assert [row["status"] for row in installed.deliveries()] == ["delivered"] * 2
