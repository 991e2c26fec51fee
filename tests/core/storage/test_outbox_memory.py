"""What a worker remembers of the outbox hides nothing from it, in whatever order others commit."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.pipeline.fan_out import fan_out
from core.storage import outbox, outbox_memory
from core.storage.database import proxy, transaction
from core.storage.models import Event
from core.storage.outbox_memory import OutboxMemory
from core.use_cases.businesses import add_business, set_business
from tests.support.scene import MINUTE, NOON, OPERATOR, SECOND, publish_ticket
from tests.support.waiting import wait_until

pytestmark = pytest.mark.parametrize("engine", ["postgres"], indirect=True)

_INSERT = """
    INSERT INTO event (business_id, type, payload, digest, created_at)
    VALUES (%s, 'ticket.created', '{}', 0, 0) RETURNING id
"""


class Shop:
    """A program that publishes in transactions of its own."""

    def __init__(self, url: str, business: int) -> None:
        self._connection = psycopg.connect(url)
        self._business = business

    def draw_number(self) -> None:
        self._connection.execute("SELECT txid_current()")

    def publish(self) -> int:
        row = self._connection.execute(_INSERT, [self._business]).fetchone()
        assert row is not None
        return int(row[0])

    def commit(self) -> None:
        self._connection.commit()

    def roll_back(self) -> None:
        self._connection.rollback()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def shops(database: str, business: int) -> Iterator[list[Shop]]:
    with ExitStack() as opened:
        shops = [Shop(database, business) for _ in range(3)]
        for shop in shops:
            opened.callback(shop.close)
        yield shops


class Worker:
    def __init__(self) -> None:
        self.memory = OutboxMemory()

    def fan_out(self, now: datetime = NOON, limit: int = 500) -> int:
        """How many events it finds."""
        return fan_out(limit, now, memory=self.memory).events

    def remembers_up_to(self, event_id: int) -> bool:
        """Whether it does, once it has looked again."""
        with transaction():
            self.memory.look(0, 50, NOON)
        return self.memory._final >= event_id


@pytest.fixture
def worker(business: int) -> Worker:
    """One that has looked often enough to remember."""
    worker = Worker()
    for _ in range(3):
        publish_ticket(business)
        worker.fan_out()
    wait_until(lambda: worker.remembers_up_to(2))  # any transaction on the server puts that off
    return worker


def pending() -> int:
    return int(Event.select().where(Event.fanned_out_at.is_null()).count())


def test_it_asks_for_all_there_is_no_more_once_it_remembers(
    business: int, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(outbox, "pending_businesses")
    for _ in range(3):
        publish_ticket(business)
        assert worker.fan_out() == 1
    assert worker.fan_out() == 0


@pytest.mark.parametrize("its_number", ["lowest", "highest"])
def test_an_event_that_is_committed_long_after_later_ones_is_found(
    business: int, worker: Worker, shops: list[Shop], its_number: str
) -> None:
    """Also where its transaction has a number above all that have ended, of which snapshots do not
    tell.
    """
    slow, *others = shops
    for shop in (slow, *others) if its_number == "lowest" else (*others, slow):
        shop.draw_number()
    slow.publish()
    for other in others:
        other.publish()
        other.commit()
        assert worker.fan_out() == 1
    for _ in range(5):
        publish_ticket(business)
        assert worker.fan_out() == 1
    slow.commit()
    assert worker.fan_out() == 1


def test_what_another_worker_gives_back_is_found(
    business: int, worker: Worker, database: str
) -> None:
    event_id = publish_ticket(business)
    wait_until(lambda: worker.remembers_up_to(event_id))
    with psycopg.connect(database) as other:
        other.execute("UPDATE event SET fanned_out_at = 0 WHERE id = %s", [event_id])
        for _ in range(3):
            publish_ticket(business)
            assert worker.fan_out() == 1
        other.rollback()
    assert worker.fan_out() == 1


def test_of_a_business_that_is_switched_on_again_all_is_found(
    business: int, worker: Worker
) -> None:
    publish_ticket(business)
    set_business(OPERATOR, business, NOON, edition="boutique", option=False)
    open_one = add_business(OPERATOR, "Chez Paul", "group", "paul", NOON)
    for _ in range(5):
        publish_ticket(open_one)
        assert worker.fan_out() == 1
    set_business(OPERATOR, business, NOON, option=True)
    assert worker.fan_out() == 1


def test_of_many_businesses_each_has_its_turn(
    business: int, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_memory, "_AT_A_TIME", 2)
    shops = [business, *(add_business(OPERATOR, str(n), "group", "m", NOON) for n in range(6))]
    set_business(OPERATOR, shops[1], NOON, edition="boutique", option=True)
    for shop in shops:
        publish_ticket(shop)
    set_business(OPERATOR, shops[1], NOON, option=False)
    served = [shop for shop in shops if shop != shops[1]]
    for after, limit in ((0, 50), (shops[3], 50), (shops[3], 3), (shops[-1], 2)):
        with transaction():
            _, found = worker.memory.look(after, limit, NOON)
            assert list(found) == outbox.pending_businesses(after, limit)
            assert set(found) <= set(served)
    assert worker.fan_out() == len(served)


def test_more_than_is_worth_reading_is_asked_for_as_if_nothing_were_known(
    business: int, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def all_there_is(after: int, limit: int) -> list[int]:
        asked.append(after)
        return [business]

    monkeypatch.setattr(outbox_memory, "_MOST_READ", 10)
    monkeypatch.setattr(outbox, "pending_businesses", all_there_is)
    assert worker.fan_out() == 0
    assert not asked
    for _ in range(30):
        publish_ticket(business)
    assert [worker.fan_out(limit=10) for _ in range(4)] == [10, 10, 10, 0]
    assert asked


def test_what_is_left_is_found_while_more_comes(business: int, worker: Worker) -> None:
    for _ in range(4):
        publish_ticket(business)
    for _ in range(4):
        publish_ticket(business)
        assert worker.fan_out(limit=2) == 2
    assert pending() == 0


def test_ids_that_begin_anew_are_found(business: int, worker: Worker) -> None:
    with transaction():
        Event.delete().execute()
        proxy.execute_sql("ALTER SEQUENCE event_id_seq RESTART")
    publish_ticket(business)
    assert worker.fan_out() == 1


def take_back() -> None:
    """As a server that crashed takes back what was not synced."""
    with transaction():
        Event.update(fanned_out_at=None).execute()


def test_what_a_crash_takes_back_is_found_over_the_next_connection(
    business: int, worker: Worker
) -> None:
    worker.fan_out()
    take_back()
    proxy.close_all()
    assert worker.fan_out() == 3


@pytest.mark.parametrize("later", [MINUTE, -SECOND])
def test_what_nobody_has_thought_of_is_found_within_a_minute(
    business: int, worker: Worker, later: timedelta
) -> None:
    """Or by a clock that was set back."""
    worker.fan_out()
    take_back()
    assert worker.fan_out() == 0
    assert worker.fan_out(NOON + later) == 3


WHICH = st.integers(0, 2)
ACTS = st.sampled_from(["draw_number", "publish", "publish", "commit", "commit", "roll_back"])


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(st.tuples(WHICH, ACTS), min_size=10, max_size=40))
def test_whatever_is_committed_is_found_at_the_next_look(
    worker: Worker, shops: list[Shop], steps: list[tuple[int, str]]
) -> None:
    for which, act in (*steps, *((each, "commit") for each in range(3))):
        getattr(shops[which], act)()
        if act == "commit":
            worker.fan_out()
            assert pending() == 0


@pytest.mark.slow
@pytest.mark.fault(51, "PostgreSQL's old snapshot is held")
def test_a_look_walks_nothing_of_what_has_been_fanned_out_since_an_old_snapshot(
    business: int, worker: Worker, shops: list[Shop]
) -> None:
    """As a backup holds one: the index of the outbox can forget nothing."""

    def work(rounds: int) -> None:
        for _ in range(rounds):
            for _ in range(50):
                shops[0].publish()
            shops[0].commit()
            worker.fan_out()

    with psycopg.connect(proxy.obj.database) as old:
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM event")
        work(2)
        few = pages_of_a_look(business, worker)
        work(60)
        assert pages_of_a_look(business, worker) <= 2 * few + 10
        assert pages_of_a_look(business, Worker()) > 3 * few


def pages_of_a_look(business: int, worker: Worker) -> int:
    """How many the statements read with which the worker finds one event."""
    publish_ticket(business)
    read = 0
    execute = proxy.obj.execute_sql

    def explained(sql: str, params: Any = None) -> Any:
        nonlocal read
        if sql.split(maxsplit=1)[0] in ("SELECT", "WITH"):
            how = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)"
            with proxy.atomic() as rehearsal:
                [[plan]] = execute(f"{how} {sql}", params).fetchall()
                rehearsal.rollback()
            plan = json.loads(plan) if isinstance(plan, str) else plan
            read += plan[0]["Plan"]["Shared Hit Blocks"]
        return execute(sql, params)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(proxy.obj, "execute_sql", explained)
        assert worker.fan_out() == 1
    return read
