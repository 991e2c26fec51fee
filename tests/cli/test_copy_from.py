"""From SQLite to PostgreSQL: everything arrives and goes on, or nothing is there."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.installation import FAST, Installation
from tests.support.scripted import answer, receiving

pytestmark = pytest.mark.files_only("copies out of a file")
DATABASE = "aurapos-webhooks.db"


@pytest.fixture
def moved(installed: Installation, postgres_url: str) -> Callable[[], Installation]:
    """Names the empty PostgreSQL in the configuration, as its operator does."""

    def move() -> Installation:
        installed.config.write_text(f'[database]\nurl = "{postgres_url}"\n{FAST}')
        return installed

    return move


def counters(installed: Installation) -> list[str]:
    lines = installed.ok("status", "--prometheus").splitlines()
    return [line for line in lines if "_total" in line or "_delivery_seconds" in line]


def counted(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row is not None
        return int(row[0])


def test_everything_arrives_and_goes_on(
    installed: Installation, moved: Callable[[], Installation]
) -> None:
    with receiving(answer(500), answer(200)) as receiver:
        installed.add_webhook(receiver.url)
        installed.push(30)
        installed.json("tick")
        with closing(sqlite3.connect(installed.folder / DATABASE)) as another, another:
            another.execute(
                "INSERT INTO event (business_id, type, payload, created_at)"
                """ VALUES (1, 'none', '"\\u00e9 \\9"', 0)"""
            )
        before = {
            "webhooks": installed.json("webhook", "list"),
            "deliveries": installed.json("delivery", "list"),
            "numbers": counters(installed),
        }
        copied = moved().json("copy-from", DATABASE)["rows"]
        assert (copied["event"], copied["delivery"], copied["webhook"]) == (31, 30, 1)
        assert before == {
            "webhooks": installed.json("webhook", "list"),
            "deliveries": installed.json("delivery", "list"),
            "numbers": counters(installed),
        }
        assert "every one opens" in installed.run("doctor").stdout
        installed.push(5, first=30)
        assert installed.json("tick")["delivered"] >= 5, "ids go on after those copied"
    assert installed.json("business", "add", "Chez Paul", "--edition", "group")["id"] == 2


def test_the_file_must_be_one_at_rest_and_the_target_empty(
    installed: Installation, moved: Callable[[], Installation], tmp_path: Path
) -> None:
    assert "is SQLite" in installed.fails("copy-from", DATABASE)
    moved()
    (tmp_path / "rubbish").write_text("rubbish" * 1000)
    assert "cannot be read as a database" in installed.fails("copy-from", "rubbish")
    assert "cannot be read as a database" in installed.fails("copy-from", "gone.db")
    with _changed("INSERT INTO last_run (job, at) VALUES ('tick till', 9e15)", tmp_path):
        assert "A worker ticked there" in installed.fails("copy-from", DATABASE)
    with _changed("DELETE FROM last_run", tmp_path):
        installed.ok("copy-from", DATABASE)
    assert "is not empty" in installed.fails("copy-from", DATABASE)
    with _changed("DELETE FROM schema_migration WHERE name LIKE '0011%'", tmp_path):
        assert "not at this version's schema" in installed.fails("copy-from", DATABASE)


def test_cut_short_nothing_is_there(
    installed: Installation,
    moved: Callable[[], Installation],
    postgres_url: str,
    tmp_path: Path,
) -> None:
    installed.push(3)
    with _changed("UPDATE event SET type = 'a' || char(0) || 'b' WHERE id = 3", tmp_path):
        told = moved().fails("copy-from", DATABASE)
    assert "Traceback" not in told
    assert counted(postgres_url, "business") == counted(postgres_url, "event") == 0
    with _changed("UPDATE event SET type = 'ticket.created' WHERE id = 3", tmp_path):
        installed.ok("copy-from", DATABASE)


def _changed(sql: str, folder: Path) -> Any:
    database = sqlite3.connect(folder / DATABASE)
    database.execute(sql)
    database.commit()
    return closing(database)
