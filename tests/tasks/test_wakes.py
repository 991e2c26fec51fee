"""What is put on the queue, and what becomes of it."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import monotonic

import pytest
from huey import Huey, MemoryHuey
from huey.exceptions import HueyException

from core.config import Config, QueueConfig, SecretsConfig
from core.errors import BadConfig
from core.storage.vault import create_key_file
from tasks.queue import open_queue
from tasks.wakes import bell, register
from tasks.wiring import open_configured_queue
from tests.support.waiting import AT_ONCE


@pytest.fixture
def opened() -> Iterator[Callable[..., Huey]]:
    """Opens queues, whose connections end with the test: a process keeps its own until it ends."""
    with ExitStack() as ends:

        def open_one(url: str, signing_key: bytes = b"key") -> Huey:
            queue = open_queue(url, signing_key)
            ends.callback(queue.storage.close)
            return queue

        yield open_one


def run_all(huey: Huey) -> None:
    while (task := huey.dequeue()) is not None:
        huey.execute(task)


@pytest.mark.parametrize("kind", ["sqlite", "redis", "redis by its socket"])
def test_a_wake_on_the_queue_is_run_by_a_consumer_in_another_process(
    tmp_path: Path, redis_urls: tuple[str, str], kind: str, opened: Callable[..., Huey]
) -> None:
    urls = {
        "sqlite": f"sqlite:///{tmp_path / 'queue.db'}",
        "redis": redis_urls[0].replace("/0", "/2"),
        "redis by its socket": redis_urls[1],
    }
    url = urls[kind]
    woken: list[str] = []
    consumer = opened(url)
    register(consumer, *(partial(woken.append, message) for message in ("tick", "wake", "help")))
    wake = bell(lambda: opened(url))
    wake()
    wake()
    run_all(consumer)
    assert woken == ["wake", "wake"]


def test_the_tick_is_due_every_minute() -> None:
    huey = MemoryHuey(utc=True)
    ticked: list[str] = []
    register(huey, lambda: ticked.append("tick"), lambda: None, lambda: None)
    for task in huey.read_periodic(None):
        huey.enqueue(task)
    run_all(huey)
    assert ticked == ["tick"]


def test_wakes_do_not_pile_up_where_no_consumer_runs(
    tmp_path: Path, opened: Callable[..., Huey]
) -> None:
    url = f"sqlite:///{tmp_path / 'queue.db'}"
    wake = bell(lambda: opened(url))
    for _ in range(100):
        wake()
    assert opened(url).pending_count() == 10


def test_a_message_signed_with_another_key_is_not_run(
    tmp_path: Path, opened: Callable[..., Huey]
) -> None:
    url = f"sqlite:///{tmp_path / 'queue.db'}"
    bell(lambda: opened(url, b"forged"))()
    with pytest.raises(ValueError, match="mismatch"):
        opened(url).dequeue()


def test_a_queue_that_is_away_is_no_error_to_who_rings_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def away() -> Huey:
        raise HueyException("connection refused")

    bell(away)()
    assert "may wait for the tick: connection refused" in caplog.text


def test_a_redis_that_is_away_is_told_at_the_first_ring(caplog: pytest.LogCaptureFixture) -> None:
    bell(lambda: open_queue("redis://127.0.0.1:1/0", b"key"))()
    assert "may wait for the tick" in caplog.text


@pytest.mark.parametrize("kind", ["redis", "postgresql"])
def test_a_queue_that_takes_connections_and_never_answers_keeps_nobody_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    create_key_file(tmp_path / "test.key")
    secrets = SecretsConfig(str(tmp_path / "test.key"))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # nobody accepts; the system answers
        url = f"{kind}://127.0.0.1:{silent.getsockname()[1]}/0"
        config = Config(queue=QueueConfig(url), secrets=secrets)
        wake = bell(lambda: open_configured_queue(config, to_ring=True))
        begin = monotonic()
        wake()
        assert monotonic() - begin < AT_ONCE
    assert "may wait for the tick" in caplog.text


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "redis", None)
    with pytest.raises(BadConfig, match=r"aurapos-webhooks\[redis\]"):
        open_queue("redis://127.0.0.1/0", b"key")
