"""Servers that are not as the configuration says: told in one sentence, with how to mend it."""

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.installation import FAST, Installation, Storage
from tests.support.scripted import Scripted
from tests.support.servers import (
    Postgres,
    Redis,
    free_port,
    restartable_postgres,
    restartable_redis,
)
from tests.support.waiting import wait_until

PASSWORD = "s3cret-word"


@pytest.fixture(scope="module")
def tables(a_server: None) -> Iterator[Postgres]:
    with restartable_postgres() as running:
        running.add_user("aurapos", PASSWORD)
        yield running


@pytest.fixture(scope="module")
def queue(a_server: None) -> Iterator[Redis]:
    with restartable_redis(PASSWORD) as running:
        yield running


@pytest.fixture(scope="module")
def urls(tables: Postgres, queue: Redis) -> dict[str, str]:
    """Right ones and wrong ones."""
    return {
        "tables": tables.url_of(f"aurapos:{PASSWORD}"),
        "tables, wrong password": tables.url_of(f"aurapos:x{PASSWORD}"),
        "tables, no password": tables.url_of("aurapos"),
        "tables, wrong port": f"postgresql://aurapos:{PASSWORD}@127.0.0.1:{free_port()}/postgres",
        "queue": queue.url,
        "queue, wrong password": queue.url_with(f"x{PASSWORD}"),
        "queue, wrong port": f"redis://:{PASSWORD}@127.0.0.1:{free_port()}/0",
        "queue, no port": f"redis://:{PASSWORD}@127.0.0.1:port/0",
        "queue, no number": f"redis://:{PASSWORD}@127.0.0.1/0?socket_timeout=soon",
        "queue, no socket": "unix:///nowhere/redis.sock",
    }


@pytest.fixture(scope="module")
def on_servers(tmp_path_factory: pytest.TempPathFactory, urls: dict[str, str]) -> Installation:
    """One for all tests here: they only ask it."""
    folder = tmp_path_factory.mktemp("installed")
    installed = Installation(folder, FAST, Storage(urls["tables"], urls["queue"]))
    installed.init()
    return installed


def pointed_to(installed: Installation, database: str, queue: str) -> None:
    installed.config.write_text(Storage(database, queue).toml + FAST)


def examined(installed: Installation) -> dict[str, tuple[str, str]]:
    done = installed.run("doctor", "--json")
    assert PASSWORD not in done.stdout + done.stderr
    return {each["check"]: (each["verdict"], each["told"]) for each in json.loads(done.stdout)}


def test_the_doctor_finds_both_well(on_servers: Installation, urls: dict[str, str]) -> None:
    pointed_to(on_servers, urls["tables"], urls["queue"])
    found = examined(on_servers)
    assert found["database"] == ("ok", "PostgreSQL")
    assert found["queue"] == ("ok", "0 messages waiting")
    assert found["clock"][0] == "ok"


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("tables, wrong password", "password authentication failed"),
        ("tables, no password", "no password supplied"),
        ("tables, wrong port", "Connection refused"),
    ],
)
def test_a_postgresql_that_does_not_let_us_in_is_told(
    on_servers: Installation, urls: dict[str, str], which: str, words: str
) -> None:
    pointed_to(on_servers, urls[which], urls["queue"])
    verdict, told = examined(on_servers)["database"]
    assert verdict == "BAD"
    assert words in told
    assert told.endswith(": check [database] url.")
    assert on_servers.fails("worker") == told


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("queue, wrong password", "invalid username-password pair"),
        ("queue, wrong port", "Connection refused"),
        ("queue, no socket", "No such file"),
        ("tables, wrong password", "password authentication failed"),
        ("tables, wrong port", "Connection refused"),
    ],
)
def test_a_queue_that_does_not_let_us_in_is_told_and_events_are_taken_all_the_same(
    on_servers: Installation, urls: dict[str, str], which: str, words: str
) -> None:
    pointed_to(on_servers, urls["tables"], urls[which])
    verdict, told = examined(on_servers)["queue"]
    assert verdict == "BAD"
    assert words in told
    assert told.endswith(": check [queue] url.")
    done = on_servers.run("emit", "ticket.created", stdin=b"{}")
    assert done.returncode == 0
    assert "may wait for the tick" in done.stderr
    assert PASSWORD not in done.stderr


def test_a_queue_without_tables_is_made_by_migrate(
    on_servers: Installation, urls: dict[str, str]
) -> None:
    pointed_to(on_servers, urls["tables"], urls["tables"])
    verdict, told = examined(on_servers)["queue"]
    assert verdict == "BAD"
    assert told.endswith(": run `aurapos-webhooks migrate`.")
    on_servers.ok("migrate")
    assert examined(on_servers)["queue"][0] == "ok"


def test_a_port_that_is_none_is_told_by_every_command(
    on_servers: Installation, urls: dict[str, str]
) -> None:
    pointed_to(on_servers, urls["tables"], urls["queue, no port"])
    verdict, told = examined(on_servers)["config"]
    assert verdict == "BAD"
    assert "whose port is a number" in told
    for command in ("migrate", "worker"):
        assert on_servers.fails(command) == told


@pytest.mark.parametrize("which", ["queue, no number", "tables, wrong port"])
def test_a_queue_that_cannot_be_made_is_one_sentence(
    on_servers: Installation, urls: dict[str, str], which: str
) -> None:
    pointed_to(on_servers, urls["tables"], urls[which])
    assert "check [queue] url" in on_servers.fails("migrate")


def test_a_worker_whose_queue_is_away_delivers_and_says_so_once_a_minute(
    on_servers: Installation, urls: dict[str, str], receiver: Scripted
) -> None:
    pointed_to(on_servers, urls["tables"], urls["queue, wrong port"])
    on_servers.add_webhook(receiver.url)
    with suppress(AssertionError):
        on_servers.emit()  # complains about the queue, and commits
    with on_servers.worker() as worker:
        worker.wait_for("Error reading from queue")
        wait_until(lambda: receiver.requests)
        worker.wait_for("pass ended")
        assert worker.stop() == 0
    errors = [line for line in worker.log if "Error reading from queue" in line]
    assert len(errors) == 1
