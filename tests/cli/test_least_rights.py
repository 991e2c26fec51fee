"""The roles of docs/postgresql.sql: one makes tables, the other needs only their rows."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.support.installation import FAST, Installation
from tests.support.scripted import answer, receiving
from tests.support.waiting import wait_until

SQL = Path(__file__).parents[2] / "docs" / "postgresql.sql"
pytestmark = pytest.mark.files_only("makes a database of its own")


def execute(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in sql.split(";"):
            lines = [line for line in statement.splitlines() if not line.startswith("--")]
            if "".join(lines).strip():
                connection.execute("\n".join(lines))


def url_of(server: str, role: str) -> str:
    parts = urlsplit(server)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{role}@{host}", path="/aurapos").geturl()


@pytest.fixture
def roles(postgres_server: str) -> Iterator[dict[str, str]]:
    """The URL of each role."""
    first, second = SQL.read_text().split("\\connect aurapos\n")
    execute(postgres_server, first)
    execute(url_of(postgres_server, "postgres"), second)
    yield {name: url_of(postgres_server, name) for name in ("aurapos_owner", "aurapos")}
    execute(postgres_server, "DROP DATABASE aurapos WITH (FORCE); DROP ROLE aurapos, aurapos_owner")


def acts_as(installation: Installation, url: str, queue: str = "") -> None:
    installation.config.write_text(
        f'[database]\nurl = "{url}"\n[queue]\nurl = "{queue or url}"\n{FAST}'
    )


def test_rows_are_all_that_running_needs(tmp_path: Path, roles: dict[str, str]) -> None:
    installation = Installation(tmp_path)
    acts_as(installation, roles["aurapos_owner"])
    installation.init()
    acts_as(installation, roles["aurapos"], "sqlite:///queue.db")
    assert installation.ok("migrate") == "The schema is up to date.\n"
    acts_as(installation, roles["aurapos"])
    with receiving(answer(200)) as receiver:
        installation.add_webhook(receiver.url)
        with installation.worker() as worker:
            worker.wait_for("worker started")
            installation.emit()
            installation.push(3)
            wait_until(lambda: len(receiver.requests) == 4)
            wait_until(lambda: installation.json("status")["consumers"])
            assert installation.run("doctor").returncode == 0
            assert installation.run("status", "--check").returncode == 0
            installation.ok("secrets", "rotate-key")
            assert worker.stop() == 0
        installation.ok("status", "--prometheus")
        installation.ok("member", "add", "paul")
        installation.ok("webhook", "delete", "1", "--yes")
    with psycopg.connect(roles["aurapos"]) as connection:
        for forbidden in ("CREATE TABLE x (y int)", "DROP TABLE event", "TRUNCATE event"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)
            connection.rollback()


@pytest.mark.parametrize("queue", ["", "sqlite:///queue.db"], ids=["in the database", "elsewhere"])
def test_whoever_may_not_make_tables_is_told_who_may(
    tmp_path: Path, roles: dict[str, str], queue: str
) -> None:
    installation = Installation(tmp_path)
    acts_as(installation, roles["aurapos"], queue)
    first = ("--business", "Chez Marie", "--edition", "group", "--owner", "marie")
    told = installation.fails("init", *first)
    assert "need the one that owns the tables" in told
