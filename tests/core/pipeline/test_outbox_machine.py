"""Two workers, two businesses and a clock, in any order: nothing is lost, doubled or sent astray.

Hypothesis makes up the runs. After each step the tables are compared with a model that knows
nothing of the code, and at the end of each run everything is driven to its end.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.pipeline import settling
from core.storage.database import is_postgres, proxy, transaction
from core.storage.models import TABLES
from core.storage.vault import Vault
from tests.support import outbox_model as expected
from tests.support.outbox_checks import compare, ended_well, look_as
from tests.support.outbox_model import Hook, Parcel, Shop
from tests.support.outbox_workers import Workers
from tests.support.outbox_world import order, refused_without_the_option
from tests.support.scene import DAY, MINUTE, SCHEDULE, SECOND

HOOKS_OF_A_SHOP = 3
KEPT = 2  # webhooks that are left standing, so that no run idles
TICKET, CLIENT = "ticket.created", "client.created"
CHANGES = ("edit", "regenerate", "send_test", "pause", "pause", "resume", "pace", "pace", "delete")
URLS = ("https://one.example.com/hook", "https://two.example.com/hook")

which = st.integers(0, 11)
workers = st.sampled_from("AB")
types = st.sampled_from((TICKET, CLIENT))
selections = st.sampled_from((frozenset({TICKET, CLIENT}), frozenset({TICKET})))
edits = st.tuples(st.none() | st.sampled_from(URLS), st.none() | selections)
keys = st.sampled_from((None, None, "k1", "k2", "k3"))
payloads = st.sampled_from((b'{"n": 55.10}', '{"é":12345678901234567890}'.encode(), b"[]"))
answers = st.sampled_from((*expected.ANSWERS, expected.ACCEPTED, expected.ASKED))
spans = st.sampled_from(
    (
        *(timedelta(seconds=seconds) for seconds in (1, 29, 30, 31)),
        *(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120)),
        *(timedelta(days=days) for days in (1, 60)),
        timedelta(hours=-1),  # a clock that is put right
    )
)
moments = st.sampled_from((timedelta(0), timedelta(0), SECOND, 29 * SECOND, 31 * SECOND))
rooms = st.sampled_from((1, 2, 16))
keeps = st.sampled_from((DAY, 30 * DAY))


def step(**strategies: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule after which the tables must be as the model says."""

    def decorate(act: Callable[..., None]) -> Any:
        @wraps(act)
        def watched(self: "OutboxMachine", **drawn: Any) -> None:
            self.sound = False
            act(self, **drawn)
            compare(self.world)
            self.sound = True

        return rule(**strategies)(watched)

    return decorate


class OutboxMachine(RuleBasedStateMachine):
    def __init__(self, vault: Vault) -> None:
        super().__init__()
        empty_tables()
        self.world = Workers(vault)
        self.sound = False  # the last step came out as it should

    @initialize(
        registered=st.lists(st.tuples(which, selections), max_size=2),
        published=st.lists(st.tuples(which, types), min_size=2, max_size=6),
    )
    def two_businesses_at_work(
        self, registered: list[tuple[int, frozenset[str]]], published: list[tuple[int, str]]
    ) -> None:
        for shop, events in (*registered, (0, frozenset({TICKET})), (1, frozenset({TICKET}))):
            self.world.create(self._shop(shop), URLS[0], events)
        for shop, event_type in published:
            self.world.publish(self._shop(shop), event_type, b"{}", None)
        self.world.fan_out(500)
        compare(self.world)
        self.sound = True

    # What owners and operators do

    @step(option=st.sampled_from((True, True, False)), shop=which)
    def switch_the_option(self, option: bool, shop: int) -> None:
        """Something has just happened in the business; off or on, an owner sees all of it."""
        self.world.publish(self._shop(0), TICKET, b"{}", None)
        self.world.switch(option)
        look_as(self.world.model, self._shop(shop))

    @precondition(lambda self: len(self.world.model.standing()) < 2 * HOOKS_OF_A_SHOP)
    @step(shop=which, url=st.sampled_from(URLS), events=selections)
    def create_a_webhook(self, shop: int, url: str, events: frozenset[str]) -> None:
        whose = self._shop(shop)
        if len(self.world.model.hooks_of(whose)) < HOOKS_OF_A_SHOP:
            with refused_without_the_option(whose):
                self.world.create(whose, url, events)

    @precondition(lambda self: self.world.model.standing())
    @step(hook=which, act=st.sampled_from(CHANGES), new=edits)
    def change_a_webhook(
        self, hook: int, act: str, new: tuple[str | None, frozenset[str] | None]
    ) -> None:
        changed = self._hook(hook)
        if act == "delete":
            if len(self.world.model.standing()) > KEPT:
                self.world.delete(changed)
            return
        with refused_without_the_option(changed.shop):
            if act == "edit":
                self.world.edit(changed, *new)
            else:
                getattr(self.world, act)(changed)

    @precondition(lambda self: self.world.model.parcels)
    @step(parcel=which)
    def redeliver(self, parcel: int) -> None:
        again = self._parcel(parcel)
        with refused_without_the_option(again.hook.shop):
            self.world.redeliver(again)

    @precondition(lambda self: self.world.model.with_status("abandoned"))
    @step(shop=which, ago=spans, only=st.none() | which)
    def recover(self, shop: int, ago: timedelta, only: int | None) -> None:
        whose = self._shop(shop)
        hooks = self.world.model.hooks_of(whose)
        hook = hooks[only % len(hooks)] if only is not None and hooks else None
        with refused_without_the_option(whose):
            self.world.recover(whose, self.world.now - ago, hook)

    # Events in

    @step(
        shop=which,
        event_type=types,
        payload=payloads,
        key=keys,
        at_once=st.sampled_from((True, True, False)),
    )
    def publish(
        self, shop: int, event_type: str, payload: bytes, key: str | None, at_once: bool
    ) -> None:
        self.world.publish(self._shop(shop), event_type, payload, key)
        if at_once:
            self.world.fan_out(500)

    @step(shop=which, pushed=st.lists(st.sampled_from(("k1", "k2", "k3")), min_size=1, max_size=4))
    def push_from_a_register(self, shop: int, pushed: list[str]) -> None:
        whose = self._shop(shop)
        with refused_without_the_option(whose):
            self.world.push(whose, pushed)

    # What workers do

    @step(room=rooms, answer=answers, after=moments)
    def a_goes_on(self, room: int, answer: str, after: timedelta) -> None:
        self.world.go_on("A", room, answer)
        self.world.now += after

    @step(room=rooms, answer=answers, after=moments)
    def b_goes_on(self, room: int, answer: str, after: timedelta) -> None:
        self.world.go_on("B", room, answer)
        self.world.now += after

    @precondition(lambda self: self.world.model.outbox())
    @step(limit=st.sampled_from((1, 2, 500)))
    def fan_out(self, limit: int) -> None:
        self.world.fan_out(limit)

    @precondition(lambda self: self.world.due())
    @step(worker=workers, room=rooms, looks=st.booleans())
    def claim(self, worker: str, room: int, looks: bool) -> None:
        """`looks`: at who has something due now, or else goes by what it saw earlier."""
        if looks:
            self.world.call_the_roster(worker)
        self.world.claim(worker, room)

    @precondition(lambda self: self.world.due_by_hook())
    @step(room=rooms, answer=answers, in_between=st.booleans())
    def both_claim_at_once(self, room: int, answer: str, in_between: bool) -> None:
        """What is due next. Each has looked before the other one claims; `in_between` the first
        one's is settled.
        """
        self.world.now = max(self.world.now, min(self.world.due_by_hook().values()))
        for worker in self.world.workers:
            self.world.call_the_roster(worker)
        self.world.claim("A", room)
        if in_between:
            self.world.post("A", [answer], room)
            self.world.settle("A", room)
        self.world.claim("B", room)

    @precondition(lambda self: self.world.unsent())
    @step(worker=workers, answer=answers, count=rooms)
    def post(self, worker: str, answer: str, count: int) -> None:
        self.world.post(worker, [answer], count)

    @precondition(lambda self: self.world.unsent())
    @step(worker=workers, how=st.sampled_from((expected.LOCKED, expected.UNSENDABLE)))
    def find_it_unsendable(self, worker: str, how: str) -> None:
        for held in self.world.unsent(worker)[:1]:
            held.how = how

    @precondition(lambda self: self.world.ended())
    @step(worker=workers, count=rooms)
    def settle(self, worker: str, count: int) -> None:
        self.world.settle(worker, count)

    @precondition(lambda self: any(worker.settled for worker in self.world.workers.values()))
    @step(worker=workers)
    def settle_once_more(self, worker: str) -> None:
        settled = self.world.workers[worker].settled
        assert settling.settle(settled, SCHEDULE, self.world.now) == [], (
            "an outcome was recorded twice"
        )

    @precondition(lambda self: any(worker.held for worker in self.world.workers.values()))
    @step(worker=workers)
    def die(self, worker: str) -> None:
        self.world.die(worker)

    @precondition(lambda self: any(worker.held for worker in self.world.workers.values()))
    @step(worker=workers, late=st.timedeltas(timedelta(0), MINUTE))
    def take_over(self, worker: str, late: timedelta) -> None:
        """From a worker that is alive and has been too slow."""
        self.world.now += expected.LEASE + late
        self.world.call_the_roster(worker)
        self.world.claim(worker, 16)

    @precondition(lambda self: self.world.due())
    @step(worker=workers, times=st.sampled_from((1, 3, 12)))
    def die_again_and_again(self, worker: str, times: int) -> None:
        for _ in range(times):
            self.world.call_the_roster(worker)
            self.world.claim(worker, 1)
            self.world.die(worker)
            self.world.now += expected.LEASE

    @precondition(lambda self: self.world.model.standing())
    @step(worker=workers, round_of_answers=st.lists(answers, min_size=1, max_size=3), after=spans)
    def make_a_whole_pass(self, worker: str, round_of_answers: list[str], after: timedelta) -> None:
        self.world.fan_out(500)
        self.world.call_the_roster(worker)
        self.world.claim(worker, 16)
        self.world.post(worker, round_of_answers, 16)
        self.world.settle(worker, 16)
        self.world.now += after

    @precondition(lambda self: self.world.model.with_status("pending", "failed"))
    @step(worker=workers, answer=answers, times=st.integers(2, 5))
    def keep_at_it(self, worker: str, answer: str, times: int) -> None:
        """Attempt all that is due, wait for the next that will be, and again."""
        for _ in range(times):
            due = [when for when in self.world.due_by_hook().values() if when > self.world.now]
            self.world.now = min(due, default=self.world.now)
            self.world.call_the_roster(worker)
            self.world.claim(worker, 16)
            self.world.post(worker, [answer], 16)
            self.world.settle(worker, 16)

    @precondition(lambda self: any(each.recovery for each in self.world.model.parcels.values()))
    @step(limit=rooms)
    def recover_after_an_outage(self, limit: int) -> None:
        self.world.recover_some(limit)

    @step(span=spans)
    def the_clock_goes_on(self, span: timedelta) -> None:
        self.world.now += span

    @precondition(
        lambda self: self.world.model.gone or self.world.model.with_status("delivered", "abandoned")
    )
    @step(keep=keeps)
    def prune(self, keep: timedelta) -> None:
        self.world.prune(keep)

    def teardown(self) -> None:
        if not self.sound:  # a step failed; what follows would only hide it
            return
        self.world.switch(option=True)
        for hook in self.world.model.standing():
            self.world.let_go(hook)
        for worker in self.world.workers:
            self.world.settle(worker, 1000)
            self.world.die(worker)
        while self.world.fan_out(500):
            pass
        self.world.drive_to_the_end()
        compare(self.world)
        for shop in self.world.model.shops.values():
            look_as(self.world.model, shop)
        assert self.world.model.outbox() == []
        for parcel in self.world.model.parcels.values():
            ended_well(parcel)

    def _shop(self, number: int) -> Shop:
        return list(self.world.model.shops.values())[number % len(self.world.model.shops)]

    def _hook(self, number: int) -> Hook:
        standing = self.world.model.standing()
        return standing[number % len(standing)]

    def _parcel(self, number: int) -> Parcel:
        parcels = sorted(self.world.model.parcels.values(), key=order)
        return parcels[number % len(parcels)]


def empty_tables() -> None:
    with transaction():
        for table in reversed(TABLES):
            table.delete().execute()


@pytest.mark.slow
def test_any_order_of_steps_loses_nothing_and_repeats_nothing_without_a_cause(
    database: str, vault: Vault
) -> None:
    examples = 17 if is_postgres() else 75
    proxy.connect()  # one connection for the whole run
    run_state_machine_as_test(
        lambda: OutboxMachine(vault),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
