"""The engine's own thread: passes, chores, and starting anew."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from peewee import OperationalError

from core.storage.clock import utc_now
from core.storage.vault import Vault
from tasks import chores, writer
from tasks import engine as engine_module
from tasks.dispatcher import Dispatcher
from tasks.engine import Engine
from tasks.shares import Limits
from tasks.writer import Rules
from tests.support.scene import MINUTE, SCHEDULE, add_webhook, make_sender, publish_ticket
from tests.support.scripted import Scripted
from tests.support.waiting import PATIENCE, wait_until


@contextmanager
def running(
    vault: Vault, *works: Callable[[], None], farewell: Callable[[], None] = lambda: None
) -> Iterator[Engine]:
    def make_dispatcher() -> Dispatcher:
        return Dispatcher(
            make_sender(), lambda: vault, Rules(SCHEDULE), Limits(16, 16, 16), utc_now
        )

    engine = Engine(make_dispatcher, utc_now, works, farewell)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


def test_an_engine_that_was_stopped_can_be_started_again(
    business: int, vault: Vault, receiver: Scripted
) -> None:
    """As Huey does when it starts its worker anew."""
    add_webhook(vault, business, receiver.url)
    with running(vault) as engine:
        for posts in range(1, 4):
            publish_ticket(business)
            engine.look()
            wait_until(lambda posts=posts: len(receiver.requests) == posts)
            engine.stop()
            engine.start()


def test_chores_are_done_at_each_tick(database: str, vault: Vault) -> None:
    assert database
    done = threading.Semaphore(0)
    with running(vault, done.release) as engine:
        for _ in range(3):
            engine.tick()
            assert done.acquire(timeout=PATIENCE)


@pytest.mark.parametrize("failure", [OperationalError("no answer"), ZeroDivisionError()])
def test_chores_are_done_without_ticks_too_and_again_after_a_failure(
    database: str, vault: Vault, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """The ticks of a queue go to any one of its consumers, so the others must not wait for one."""
    assert database
    monkeypatch.setattr(chores, "_MINUTE", 0.01)
    done = threading.Semaphore(0)

    def fail() -> None:
        done.release()
        raise failure

    with running(vault, fail):
        for _ in range(3):
            assert done.acquire(timeout=PATIENCE)


def test_a_chore_that_takes_long_holds_nothing_up_and_is_told_to_end(
    business: int, vault: Vault, receiver: Scripted
) -> None:
    add_webhook(vault, business, receiver.url)
    begun, ended = threading.Event(), threading.Event()

    def prune() -> None:
        begun.set()
        wait_until(lambda: engine.is_stopping)
        ended.set()

    with running(vault, prune) as engine:
        engine.tick()
        assert begun.wait(PATIENCE)
        publish_ticket(business)
        engine.look()
        wait_until(lambda: receiver.requests)
    assert ended.is_set()


def test_an_engine_that_breaks_ends_its_chores_and_its_process(
    database: str, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database
    begun, ended, killed = threading.Event(), threading.Event(), threading.Event()

    def break_off(_: datetime) -> None:
        assert begun.wait(PATIENCE)
        raise ZeroDivisionError

    def prune() -> None:
        begun.set()
        wait_until(lambda: engine.is_stopping)
        ended.set()

    monkeypatch.setattr(writer, "waiting_webhooks", break_off)
    monkeypatch.setattr(os, "kill", lambda *_: killed.set())
    with running(vault, prune) as engine:
        engine.tick()
        assert killed.wait(PATIENCE)
    assert ended.is_set()
    assert isinstance(engine.failure, ZeroDivisionError)


def test_a_wake_does_not_cut_the_pause_after_an_error_short(
    database: str, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database
    passes = threading.Semaphore(0)

    def fail(_: datetime) -> None:
        passes.release()
        raise OperationalError("no answer")

    monkeypatch.setattr(engine_module, "_PAUSE_AFTER_ERROR", PATIENCE)
    monkeypatch.setattr(writer, "waiting_webhooks", fail)
    with running(vault) as engine:
        assert passes.acquire(timeout=PATIENCE)
        for _ in range(20):
            engine.look()
        assert not passes.acquire(timeout=1)
        engine.stop()  # which does


def test_what_is_due_and_cannot_be_had_is_asked_for_less_and_less_often(
    database: str, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a row says that something is due, and others are at it, or it says so in error."""
    assert database
    pauses: list[float] = []

    async def pause(woken: asyncio.Event, seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            await woken.wait()  # for the end of the engine

    monkeypatch.setattr(engine_module, "_wait", pause)
    monkeypatch.setattr(writer, "next_due", lambda _: utc_now() - MINUTE)
    with running(vault):
        wait_until(lambda: len(pauses) == 8)
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]


def test_a_call_for_help_wakes_who_has_nothing_to_do(
    business: int, vault: Vault, receiver: Scripted
) -> None:
    add_webhook(vault, business, receiver.url)
    with running(vault) as engine:
        publish_ticket(business)
        engine.help()
        wait_until(lambda: receiver.requests)


def test_a_farewell_is_said_last(database: str, vault: Vault) -> None:
    assert database
    said: list[str] = []
    done = threading.Semaphore(0)

    def work() -> None:
        said.append("work")
        done.release()

    with running(vault, work, farewell=lambda: said.append("farewell")) as engine:
        engine.tick()
        assert done.acquire(timeout=PATIENCE)
        assert "farewell" not in said
    assert said[-1] == "farewell"
    assert said.count("farewell") == 1


def test_a_farewell_that_cannot_be_said_is_told(
    database: str, vault: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    assert database

    def fail() -> None:
        raise OperationalError("no answer")

    with running(vault, farewell=fail):
        pass
    assert "it could not be recorded that this worker ended" in caplog.text


def test_a_farewell_that_hangs_holds_nothing_up(
    database: str, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database
    monkeypatch.setattr(engine_module, "_FAREWELL", 0.05)
    hang = threading.Event()
    with running(vault, farewell=lambda: hang.wait(PATIENCE) and None):
        pass
    assert not hang.is_set()
    hang.set()
