"""`backup`: taken under load, whole, and good for going on."""

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from tests.support.installation import FAST, Installation, Storage
from tests.support.scripted import after, answer, receiving
from tests.support.terminal import terminal
from tests.support.waiting import wait_until

DATABASE = "aurapos-webhooks.db"
LONG = 300  # seconds, for thousands of deliveries


def restore(backup: Path, installed: Installation) -> None:
    """As the README says, with the worker stopped."""
    for left in ("-wal", "-shm"):
        (installed.folder / f"{DATABASE}{left}").unlink(missing_ok=True)
    backup.replace(installed.folder / DATABASE)
    installed.ok("migrate")
    installed.run("doctor")


@pytest.mark.files_only("PostgreSQL is backed up by its own tools")
@pytest.mark.slow
def test_a_backup_under_load_is_whole_and_goes_on_with_what_was_waiting(
    installed: Installation,
) -> None:
    backup = installed.folder / "backup.db"
    finish = Event()
    with receiving(after(finish, answer(200))) as receiver, ThreadPoolExecutor() as pool:
        installed.add_webhook(receiver.url)
        installed.push(1000)
        with installed.worker() as worker:
            wait_until(lambda: receiver.requests)
            writing = pool.submit(installed.push, 4000, first=1000)
            made = installed.json("backup", "backup.db")
            finish.set()
            writing.result(LONG)
            wait_until(lambda: len(receiver.requests) > 1500, LONG)
            second = installed.json("backup", "second.db")
            assert worker.stop() == 0
    assert made == {"file": "backup.db", "bytes": backup.stat().st_size}
    assert second["bytes"] > 0
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert not list(installed.folder.glob(".*.new*"))
    for name in ("backup.db", "second.db"):
        with sqlite3.connect(installed.folder / name) as copy:
            assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert copy.execute("PRAGMA foreign_key_check").fetchall() == []
        copy.close()
    carries_on_from(backup, installed)


def carries_on_from(backup: Path, installed: Installation) -> None:
    """Everything that was waiting in the backup is delivered once it is restored."""
    with sqlite3.connect(backup) as copy:
        [(waiting,)] = copy.execute(
            "SELECT (SELECT count(*) FROM delivery WHERE due_at IS NOT NULL)"
            " + (SELECT count(*) FROM event WHERE fanned_out_at IS NULL)"
        )
        copy.execute("UPDATE delivery SET due_at = leased_at WHERE lease IS NOT NULL")  # run out
        copy.execute("UPDATE webhook SET ready_at = 0")
    copy.close()
    restore(backup, installed)
    assert waiting >= 16
    with receiving() as receiver:
        installed.ok("webhook", "edit", "1", "--url", receiver.url)
        with installed.worker() as worker:
            wait_until(lambda: len(receiver.requests) == waiting, LONG)
            assert worker.stop() == 0
    assert {row["status"] for row in installed.deliveries()} == {"delivered"}


@pytest.mark.files_only("PostgreSQL is backed up by its own tools")
def test_a_compact_one_leaves_out_what_lies_free_and_can_shrink_from_then_on(
    installed: Installation,
) -> None:
    database = installed.folder / DATABASE
    with closing(sqlite3.connect(database, isolation_level=None)) as old:
        old.execute("PRAGMA auto_vacuum = none")
        old.execute("VACUUM")  # as files were made before
        old.execute("CREATE TABLE big AS SELECT randomblob(1000000) AS data")
        old.execute("DROP TABLE big")
    assert installed.json("backup", "plain.db")["bytes"] > 1_000_000
    assert installed.json("backup", "--compact", "compact.db")["bytes"] < 1_000_000
    with closing(sqlite3.connect(installed.folder / "compact.db")) as compact:
        assert compact.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert compact.execute("SELECT name FROM business").fetchall() == [("Chez Marie",)]


@pytest.mark.files_only("PostgreSQL is backed up by its own tools")
def test_a_file_that_is_there_is_kept(installed: Installation) -> None:
    (installed.folder / "there").write_text("precious")
    assert "The file there exists already" in installed.fails("backup", "there")
    assert (installed.folder / "there").read_text() == "precious"


@pytest.mark.files_only("PostgreSQL is backed up by its own tools")
def test_a_backup_into_no_folder_says_so(installed: Installation) -> None:
    assert "nowhere/a.db cannot be written" in installed.fails("backup", "nowhere/a.db")


@pytest.mark.files_only("PostgreSQL is backed up by its own tools")
def test_it_says_that_the_key_is_backed_up_apart(installed: Installation) -> None:
    told = installed.ok("backup", "a.db")
    assert "Back up the key file" in told
    assert "aurapos-webhooks.key" in told
    with sqlite3.connect(installed.folder / "a.db") as copy:
        assert copy.execute("SELECT name FROM business").fetchall() == [("Chez Marie",)]
    copy.close()


@pytest.mark.files_only("PostgreSQL is backed up by its own tools")
def test_on_a_terminal_it_leaves_no_progress_behind(installed: Installation) -> None:
    with terminal(installed.folder, "--config", str(installed.config), "backup", "a.db") as t:
        assert t.wait_for_end() == 0
    assert "a.db holds the database" in t.text
    assert "pages" not in t.text


@pytest.mark.parametrize("password", ["", ":p%40ss"])
def test_for_postgresql_the_command_is_told_without_the_password(
    tmp_path: Path, password: str
) -> None:
    url = f"postgresql://aurapos{password}@db.example.com/aurapos?sslmode=require"
    installed = Installation(tmp_path, FAST, Storage(url))
    told = installed.fails("backup", "a b.dump")
    assert (
        "`pg_dump --format=custom '--file=a b.dump' "
        "'--dbname=postgresql://aurapos@db.example.com/aurapos?sslmode=require'`" in told
    )
    assert not (tmp_path / "a b.dump").exists()


@pytest.mark.files_only("PostgreSQL is backed up by its own tools")
def test_a_backup_carries_what_webhooks_have_chosen(installed: Installation) -> None:
    with receiving() as receiver:
        webhook = installed.add_webhook(receiver.url)
        chosen = ("--header", "X-Api-Key: k-4711", "--only", "total_tvac >= 100", "--name", "Till")
        installed.ok("webhook", "edit", str(webhook["id"]), *chosen)
        installed.emit('{"total_tvac": 1}')
        installed.ok("tick")
        before = installed.json("webhook", "show", str(webhook["id"]))
        installed.json("backup", "backup.db")
        installed.ok("webhook", "edit", "1", "--header", "none", "--only", "none")
        restore(installed.folder / "backup.db", installed)
        assert installed.json("webhook", "show", "1") == before
        assert before["kept_back"] == 1
        installed.emit('{"total_tvac": 100}')
        installed.ok("tick")
        [request] = receiver.requests
    assert request.headers["X-Api-Key"] == "k-4711"
