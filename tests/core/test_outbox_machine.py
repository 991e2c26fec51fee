"""Two workers, two businesses and a clock, in any order: nothing is lost, doubled or sent astray.

Hypothesis makes up the runs. After each step the tables are compared with a model that knows
nothing of the code, and at the end of each run everything is driven to its end.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

import outbox_model as expected
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
from outbox_model import Happening, Hook, Model, Parcel, Post, Shop
from scene import DAY, DEVELOPMENT, MINUTE, NOON, OPERATOR, SCHEDULE, SECOND, silent

from core import intake, outbox, queries, retention, services
from core.database import proxy, transaction
from core.delivery import (
    Answered,
    ErrorKind,
    Locked,
    Outcome,
    Unreachable,
    Unsendable,
    Withdrawn,
)
from core.directory import add_business, set_business
from core.errors import NotFound, NotIncluded
from core.models import TABLES, Attempt, Delivery, Event
from core.outbox import Claim, Settlement
from core.plans import Actor
from core.signing import build_body
from core.vault import Vault

START = NOON + timedelta(milliseconds=123, microseconds=456)
OUTCOMES: dict[str, Outcome] = {
    expected.ACCEPTED: Answered(200, "thanks"),
    expected.REFUSED: Answered(500, "oops"),
    expected.REDIRECTED: Answered(302, "", "redirects to /"),
    expected.UNREACHABLE: Unreachable(ErrorKind.TIMEOUT, "no answer"),
    expected.LOCKED: Locked(),
    expected.UNSENDABLE: Unsendable("damaged"),
    expected.WITHDRAWN: Withdrawn(),
}
HOOKS_OF_A_SHOP = 3
KEPT = 2  # webhooks that are left standing, so that no run idles
TICKET, CLIENT = "ticket.created", "client.created"
URLS = ("https://one.example.com/hook", "https://two.example.com/hook")

which = st.integers(0, 11)
workers = st.sampled_from("AB")
types = st.sampled_from((TICKET, CLIENT))
selections = st.sampled_from((frozenset({TICKET, CLIENT}), frozenset({TICKET})))
edits = st.tuples(st.none() | st.sampled_from(URLS), st.none() | selections)
keys = st.sampled_from((None, None, "k1", "k2", "k3"))
payloads = st.sampled_from((b'{"n": 55.10}', '{"é":12345678901234567890}'.encode(), b"[]"))
answers = st.sampled_from((*expected.ANSWERS, expected.ACCEPTED))
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


@dataclass(eq=False)
class Held:
    """A claim in a worker's hands."""

    claim: Claim
    parcel: Parcel
    secret: str
    until: datetime
    how: str | None = None  # what came of it; None before the last look

    def is_live(self, now: datetime) -> bool:
        return self.parcel.lease == self.claim.lease and self.until > now


@dataclass(eq=False)
class Worker:
    held: list[Held] = field(default_factory=list)
    settled: list[Settlement] = field(default_factory=list)
    roster: list[int] = field(default_factory=list)


def step(**strategies: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule after which the tables must be as the model says."""

    def decorate(act: Callable[..., None]) -> Any:
        @wraps(act)
        def watched(self: "OutboxMachine", **drawn: Any) -> None:
            self.sound = False
            act(self, **drawn)
            self.compare()
            self.sound = True

        return rule(**strategies)(watched)

    return decorate


class OutboxMachine(RuleBasedStateMachine):
    def __init__(self, vault: Vault) -> None:
        super().__init__()
        self.vault = vault
        self.now = START
        self.model = Model()
        self.workers = {"A": Worker(), "B": Worker()}
        self.leases: set[int] = set()
        self.sound = False
        empty_tables()

    @initialize(
        registered=st.lists(st.tuples(which, selections), max_size=2),
        published=st.lists(st.tuples(which, types), min_size=2, max_size=6),
    )
    def two_businesses_at_work(
        self, registered: list[tuple[int, frozenset[str]]], published: list[tuple[int, str]]
    ) -> None:
        for edition, owner in (("boutique", "paul"), ("group", "marie")):
            shop_id = add_business(OPERATOR, owner, edition, owner, self.now, option=True)
            always = edition == "group"
            self.model.shops[shop_id] = Shop(shop_id, owner, always, option=True)
        for shop, events in (*registered, (0, frozenset({TICKET})), (1, frozenset({TICKET}))):
            self._create(self._shop(shop), URLS[0], events)
        for shop, event_type in published:
            self._publish(self._shop(shop), event_type, b"{}", None)
        self._fan_out(500)
        self.compare()
        self.sound = True

    # What owners and operators do

    @step(option=st.sampled_from((True, True, False)))
    def switch_the_option(self, option: bool) -> None:
        """Off or on, each owner sees all that is theirs."""
        self._switch(option)
        for shop in self.model.shops.values():
            self._look_as(shop)

    @precondition(lambda self: len(self.model.standing()) < 2 * HOOKS_OF_A_SHOP)
    @step(shop=which, url=st.sampled_from(URLS), events=selections)
    def create_a_webhook(self, shop: int, url: str, events: frozenset[str]) -> None:
        whose = self._shop(shop)
        if len(self.model.hooks_of(whose)) < HOOKS_OF_A_SHOP:
            with refused_without_the_option(whose):
                self._create(whose, url, events)

    @precondition(lambda self: self.model.standing())
    @step(hook=which, act=st.sampled_from(("edit", "regenerate", "send_test", "delete")), new=edits)
    def change_a_webhook(
        self, hook: int, act: str, new: tuple[str | None, frozenset[str] | None]
    ) -> None:
        changed = self._hook(hook)
        if act == "delete":
            self._delete(changed)
            return
        with refused_without_the_option(changed.shop):
            if act == "edit":
                self._edit(changed, *new)
            elif act == "regenerate":
                self._regenerate(changed)
            else:
                self._send_test(changed)

    @precondition(lambda self: self.model.parcels)
    @step(parcel=which)
    def redeliver(self, parcel: int) -> None:
        again = self._parcel(parcel)
        with refused_without_the_option(again.hook.shop):
            services.redeliver(owner_of(again.hook.shop), str(again.uuid), self.now, wake=silent)
            again.redeliver(self.now)

    @precondition(lambda self: self.model.with_status("abandoned"))
    @step(shop=which, ago=spans, only=st.none() | which)
    def recover(self, shop: int, ago: timedelta, only: int | None) -> None:
        whose = self._shop(shop)
        hooks = self.model.hooks_of(whose)
        if only is not None and hooks:
            hooks = [hooks[only % len(hooks)]]
        with refused_without_the_option(whose):
            recovered = services.recover(
                owner_of(whose),
                whose.id,
                self.now - ago,
                self.now,
                webhook_id=hooks[0].id if only is not None and hooks else None,
                wake=silent,
            )
            assert recovered == self.model.recover(hooks, self.now - ago, self.now)

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
        self._publish(self._shop(shop), event_type, payload, key)
        if at_once:
            self._fan_out(500)

    @step(shop=which, pushed=st.lists(st.sampled_from(("k1", "k2", "k3")), min_size=1, max_size=4))
    def push_from_a_register(self, shop: int, pushed: list[str]) -> None:
        whose = self._shop(shop)
        fresh = {key for key in pushed if self.model.seen(whose, key) is None}
        with refused_without_the_option(whose):
            report = intake.sync(
                whose.id,
                [
                    b'{"entity":"client","before":null,"after":{"n":1.0},"key":"%b"}' % key.encode()
                    for key in pushed
                ],
                lambda: self.now,
                wake=silent,
                on_bad=lambda number, why: pytest.fail(f"line {number}: {why}"),
                on_progress=lambda _: None,
            )
            assert (report.published, report.lines) == (len(fresh), len(pushed))
            self._learn_pushed(whose, fresh)

    # What workers do

    @step(room=rooms, answer=answers, after=moments)
    def a_goes_on(self, room: int, answer: str, after: timedelta) -> None:
        self._go_on("A", room, answer)
        self.now += after

    @step(room=rooms, answer=answers, after=moments)
    def b_goes_on(self, room: int, answer: str, after: timedelta) -> None:
        self._go_on("B", room, answer)
        self.now += after

    @precondition(lambda self: self.model.outbox())
    @step(limit=st.sampled_from((1, 2, 500)))
    def fan_out(self, limit: int) -> None:
        self._fan_out(limit)

    @precondition(lambda self: self._due())
    @step(worker=workers, room=rooms, looks=st.booleans())
    def claim(self, worker: str, room: int, looks: bool) -> None:
        """`looks`: at who has something due now, or else goes by what it saw earlier."""
        if looks:
            self._call_the_roster(worker)
        self._claim(worker, room)

    @precondition(lambda self: self._unsent())
    @step(worker=workers, answer=answers, count=rooms)
    def post(self, worker: str, answer: str, count: int) -> None:
        self._post(worker, [answer], count)

    @precondition(lambda self: self._unsent())
    @step(worker=workers, how=st.sampled_from((expected.LOCKED, expected.UNSENDABLE)))
    def find_it_unsendable(self, worker: str, how: str) -> None:
        for held in self._unsent(worker)[:1]:
            held.how = how

    @precondition(lambda self: self._ended())
    @step(worker=workers, count=rooms)
    def settle(self, worker: str, count: int) -> None:
        self._settle(worker, count)

    @precondition(lambda self: any(worker.settled for worker in self.workers.values()))
    @step(worker=workers)
    def settle_once_more(self, worker: str) -> None:
        settled = self.workers[worker].settled
        assert outbox.settle(settled, SCHEDULE, self.now) == [], "an outcome was recorded twice"

    @precondition(lambda self: any(worker.held for worker in self.workers.values()))
    @step(worker=workers)
    def die(self, worker: str) -> None:
        self._die(worker)

    @precondition(lambda self: any(worker.held for worker in self.workers.values()))
    @step(worker=workers, late=st.timedeltas(timedelta(0), MINUTE))
    def take_over(self, worker: str, late: timedelta) -> None:
        """From a worker that is alive and has been too slow."""
        self.now += expected.LEASE + late
        self._call_the_roster(worker)
        self._claim(worker, 16)

    @precondition(lambda self: self._due())
    @step(worker=workers, times=st.sampled_from((1, 3, 12)))
    def die_again_and_again(self, worker: str, times: int) -> None:
        for _ in range(times):
            self._call_the_roster(worker)
            self._claim(worker, 1)
            self._die(worker)
            self.now += expected.LEASE

    @precondition(lambda self: self.model.standing())
    @step(worker=workers, round_of_answers=st.lists(answers, min_size=1, max_size=3), after=spans)
    def make_a_whole_pass(self, worker: str, round_of_answers: list[str], after: timedelta) -> None:
        self._fan_out(500)
        self._call_the_roster(worker)
        self._claim(worker, 16)
        self._post(worker, round_of_answers, 16)
        self._settle(worker, 16)
        self.now += after

    @precondition(lambda self: self.model.with_status("pending", "failed"))
    @step(worker=workers, answer=answers, times=st.integers(2, 5))
    def keep_at_it(self, worker: str, answer: str, times: int) -> None:
        """Attempt all that is due, wait for the next that will be, and again."""
        for _ in range(times):
            due = [when for when in self._due_by_hook().values() if when > self.now]
            self.now = min(due, default=self.now)
            self._call_the_roster(worker)
            self._claim(worker, 16)
            self._post(worker, [answer], 16)
            self._settle(worker, 16)

    @step(span=spans)
    def the_clock_goes_on(self, span: timedelta) -> None:
        self.now += span

    @precondition(lambda self: self.model.gone or self.model.with_status("delivered", "abandoned"))
    @step(keep=keeps)
    def prune(self, keep: timedelta) -> None:
        removed = retention.prune(self.now - keep, self.now)
        assert removed == self.model.prune(self.now - keep)

    # How each of these is done, and what must hold while it is

    def _switch(self, option: bool) -> None:
        boutique = self._shop(0)
        set_business(OPERATOR, boutique.id, self.now, option=option)
        boutique.option = option

    def _create(self, shop: Shop, url: str, events: frozenset[str]) -> None:
        made = services.create_webhook(
            owner_of(shop), shop.id, url, events, self.now, policy=DEVELOPMENT, vault=self.vault
        )
        self._learn_fanned_out()
        assert made.id not in self.model.hooks
        self.model.hooks[made.id] = Hook(
            made.id, shop, url, events, made.secret.reveal(), self.model.next_born()
        )

    def _publish(self, shop: Shop, event_type: str, payload: bytes, key: str | None) -> None:
        done = intake.publish(shop.id, event_type, payload, self.now, key=key, wake=silent)
        seen = self.model.seen(shop, key)
        assert (done.not_included is None) is shop.included
        if not shop.included:
            assert done.event_id is None
        elif seen is not None:
            assert (done.duplicate, done.event_id) == (True, seen.id), "published twice"
        else:
            assert done.event_id is not None
            assert not done.duplicate
            self.model.publish(done.event_id, shop, (event_type, payload), self.now, key=key)

    def _edit(self, hook: Hook, url: str | None, events: frozenset[str] | None) -> None:
        owner = owner_of(hook.shop)
        services.edit_webhook(owner, hook.id, self.now, url=url, events=events, policy=DEVELOPMENT)
        hook.url, hook.events = url or hook.url, events or hook.events

    def _regenerate(self, hook: Hook) -> None:
        owner = owner_of(hook.shop)
        secret = services.regenerate_secret(owner, hook.id, self.now, vault=self.vault)
        hook.secret = secret.reveal()

    def _send_test(self, hook: Hook) -> None:
        event_id = services.send_test(owner_of(hook.shop), hook.id, self.now, wake=silent)
        ping = expected.PING, b'{"message":"This is a test from AuraPOS."}'
        self.model.publish(event_id, hook.shop, ping, self.now, target=hook)

    def _delete(self, hook: Hook) -> None:
        if len(self.model.standing()) > KEPT:
            services.delete_webhook(owner_of(hook.shop), hook.id, self.now)
            self.model.delete(hook)

    def _learn_pushed(self, shop: Shop, fresh: set[str]) -> None:
        rows = Event.select(Event.id, Event.key).where(Event.business == shop.id)
        for event_id, key in rows.order_by(Event.id).tuples():
            if event_id not in self.model.events:
                assert key in fresh
                what = "client.created", b'{"n":1.0}'
                self.model.publish(event_id, shop, what, self.now, key=key)

    def _fan_out(self, limit: int) -> int:
        ready = [event for event in self.model.outbox() if event.shop.included]
        done = outbox.fan_out(limit, self.now)
        fresh = self._learn_fanned_out()
        assert all(event in ready for event in fresh), "fanned out for one without the option"
        assert done.events == len(fresh) == min(limit, len(ready))
        return done.events

    def _learn_fanned_out(self) -> list[Happening]:
        """Each event that left the outbox has a delivery for each webhook it is owed to."""
        left = {
            event_id
            for (event_id,) in Event.select(Event.id).where(~Event.fanned_out_at.is_null()).tuples()
        }
        fresh = [event for event in self.model.outbox() if event.id in left]
        made = defaultdict(dict)
        rows = Delivery.select(Delivery.event, Delivery.webhook, Delivery.uuid)
        for event_id, hook_id, uuid in rows.tuples():
            made[event_id][hook_id] = uuid
        for event in fresh:
            assert set(made[event.id]) == self.model.owed(event), "lost, or sent to a stranger"
            event.fanned_out = True
            for hook_id, uuid in sorted(made[event.id].items()):
                hook = self.model.hooks[hook_id]
                self.model.parcels[uuid] = Parcel(uuid, event, hook, self.now, self.now)
        return fresh

    def _due(self) -> list[Parcel]:
        return [parcel for parcel in self.model.parcels.values() if parcel.is_due(self.now)]

    def _due_by_hook(self) -> dict[int, datetime]:
        due: dict[int, datetime] = {}
        for parcel in self.model.parcels.values():
            if parcel.due is not None and parcel.hook.shop.included:
                due[parcel.hook.id] = min(parcel.due, due.get(parcel.hook.id, parcel.due))
        return due

    def _go_on(self, worker: str, room: int, answer: str) -> None:
        """The next thing that a worker does: claim, send or settle."""
        if not self.workers[worker].held:
            self._call_the_roster(worker)
            self._claim(worker, room)
        elif self._unsent(worker):
            self._post(worker, [answer], room)
        else:
            self._settle(worker, room)

    def _call_the_roster(self, worker: str) -> None:
        waiting = dict(outbox.waiting_webhooks())
        due = self._due_by_hook()
        assert set(waiting) == set(due), "a webhook was forgotten, or one that may not be sent to"
        assert all(same_due(waiting[each], due[each], self.now) for each in due)
        self.workers[worker].roster = sorted(due)

    def _claim(self, worker: str, room: int) -> None:
        wanted = dict.fromkeys(self.workers[worker].roster, room)
        due = self._due()
        claims = outbox.claim(wanted, SCHEDULE, self.now)
        taken = [(claim, self._claimable(claim, due)) for claim in claims]
        doomed = self._doomed(due)
        counted = defaultdict(int)
        for parcel in (*(parcel for _, parcel in taken), *doomed):
            counted[parcel.hook.id] += 1
        for hook_id in wanted:
            owing = sum(parcel.hook.id == hook_id for parcel in due)
            assert counted[hook_id] == min(room, owing), "due, there was room, and not claimed"
        for parcel in doomed:
            parcel.doomed(self.now)
        for claim, parcel in sorted(taken, key=lambda pair: order(pair[1])):
            self._take(worker, claim, parcel)

    def _claimable(self, claim: Claim, due: list[Parcel]) -> Parcel:
        parcel = self.model.parcels.get(claim.uuid)
        assert parcel is not None, "claimed what is gone"
        assert parcel in due, "claimed before it was due"
        for worker in self.workers.values():
            rivals = [held for held in worker.held if held.parcel is parcel]
            assert not any(held.is_live(self.now) for held in rivals), "two live leases"
        return parcel

    def _doomed(self, due: list[Parcel]) -> list[Parcel]:
        """Those that the claim ended instead, for all the workers they have cost."""
        candidates = {parcel.uuid: parcel for parcel in due if parcel.is_doomed()}
        if not candidates:
            return []
        ended = Delivery.select(Delivery.uuid).where(Delivery.status == "abandoned").tuples()
        return [candidates[uuid] for (uuid,) in ended if uuid in candidates]

    def _take(self, worker: str, claim: Claim, parcel: Parcel) -> None:
        hook, event = parcel.hook, parcel.event
        secret = self.vault.open(claim.sealed_secret, claim.business_id, claim.webhook_id)
        parcel.claimed(claim.lease, self.now)
        self.leases.add(claim.lease)
        assert claim == Claim(
            claim.id,
            parcel.uuid,
            claim.lease,
            parcel.attempts + 1,
            parcel.interruptions,
            event.type,
            event.payload,
            event.created,
            hook.id,
            hook.shop.id,
            hook.url,
            claim.sealed_secret,
        )
        assert claim.attempt <= expected.ATTEMPTS_LIMIT, "one attempt too many"
        assert secret.reveal() == hook.secret
        held = Held(claim, parcel, hook.secret, self.now + expected.LEASE)
        self.workers[worker].held.append(held)

    def _unsent(self, worker: str = "AB") -> list[Held]:
        return [held for name in worker for held in self.workers[name].held if held.how is None]

    def _ended(self, worker: str = "AB") -> list[Held]:
        return [held for name in worker for held in self.workers[name].held if held.how]

    def _post(self, worker: str, round_of_answers: list[str], count: int) -> None:
        batch = distinct(self._unsent(worker))[:count]
        sendable = outbox.still_sendable([held.claim for held in batch])
        for number, held in enumerate(batch):
            hook = held.parcel.hook
            stands = (
                not hook.deleted
                and hook.shop.included
                and (held.claim.url, held.secret) == (hook.url, hook.secret)
            )
            assert (held.claim.id in sendable) is stands, "the last look was mistaken"
            held.how = round_of_answers[number % len(round_of_answers)]
            if stands:
                self._receive(held)
            else:
                held.how = expected.WITHDRAWN

    def _receive(self, held: Held) -> None:
        """What the receiver sees and says."""
        claim, parcel = held.claim, held.parcel
        body = build_body(claim.event_type, claim.uuid, claim.created_at, claim.payload)
        secret = self.vault.open(claim.sealed_secret, claim.business_id, claim.webhook_id)
        assert body == parcel.body, "other bytes than were promised"
        assert secret.sign(body) == parcel.signature, "signed with another secret"
        assert all(post.body == body for post in parcel.posts), "a repeat with other bytes"
        assert not parcel.hook.deleted, "a POST to a deleted webhook"
        assert parcel.hook.shop.included, "a POST for a business without the option"
        assert parcel.may_be_posted(claim.lease, held.until, self.now), "repeated without a cause"
        accepted = held.how == expected.ACCEPTED
        parcel.posts.append(Post(body, claim.lease, parcel.turn, accepted))

    def _settle(self, worker: str, count: int) -> None:
        batch = self._ended(worker)[:count]
        settlements = [
            Settlement(held.claim, OUTCOMES[held.how], self.now, SECOND)
            for held in batch
            if held.how is not None
        ]
        recorded = outbox.settle(settlements, SCHEDULE, self.now)
        done = {each.claim.uuid for each, _ in recorded} - self.model.gone
        ours = [
            held
            for held in batch
            if held.parcel.uuid in self.model.parcels and held.parcel.lease == held.claim.lease
        ]
        assert done == {held.parcel.uuid for held in ours}, "a stale settle, or a lost one"
        for held in ours:
            assert held.how is not None
            held.parcel.settle(held.how, self.now)
        mine = self.workers[worker]
        mine.held = [held for held in mine.held if held not in batch]
        mine.settled = (mine.settled + settlements)[-5:]

    def _die(self, worker: str) -> None:
        for held in self.workers[worker].held:
            held.parcel.lost.add(held.claim.lease)
        self.workers[worker] = Worker()

    def _look_as(self, shop: Shop) -> None:
        owner = owner_of(shop)
        assert [row.id for row in queries.businesses(owner)] == [shop.id]
        seen = {
            (row.id, row.url, frozenset(row.events)) for row in queries.webhooks(owner, shop.id)
        }
        assert seen == {(each.id, each.url, each.events) for each in self.model.hooks_of(shop)}
        parcels = self.model.parcels.values()
        mine = {each.uuid for each in parcels if each.hook.shop is shop}
        listed = queries.deliveries_of_business(owner, shop.id, limit=1000)
        assert {row.uuid for row in listed} == mine, "another's rows, or not all of one's own"
        for uuid in sorted(mine)[:1]:
            assert queries.delivery(owner, str(uuid)).body == self.model.parcels[uuid].body
        for other in self.model.shops.values():
            if other is not shop:
                self._look_at_a_stranger(owner, other)

    def _look_at_a_stranger(self, owner: Actor, other: Shop) -> None:
        hidden: list[tuple[Callable[..., object], object]] = [
            (queries.webhooks, other.id),
            (queries.deliveries_of_business, other.id),
        ]
        for hook in self.model.hooks_of(other)[:1]:
            hidden.append((queries.deliveries, hook.id))
            hidden += [
                (queries.delivery, str(parcel.uuid)) for parcel in self.model.parcels_of(hook)[:1]
            ]
        for read, what in hidden:
            with pytest.raises(NotFound):
                read(owner, what)

    def _shop(self, number: int) -> Shop:
        return list(self.model.shops.values())[number % len(self.model.shops)]

    def _hook(self, number: int) -> Hook:
        standing = self.model.standing()
        return standing[number % len(standing)]

    def _parcel(self, number: int) -> Parcel:
        parcels = sorted(self.model.parcels.values(), key=order)
        return parcels[number % len(parcels)]

    # What must hold after each step

    def compare(self) -> None:
        """The tables and the model say the same, row by row."""
        rows = self._delivery_rows()
        parcels = self.model.parcels
        assert set(rows) - self.model.gone == set(parcels), "a delivery appeared or was lost"
        log = self._attempt_rows()
        for uuid, parcel in parcels.items():
            due, *rest = rows[uuid]
            assert same_due(due, parcel.due, self.now), "due at another time"
            assert rest == [
                parcel.event.id,
                parcel.hook.id,
                parcel.status,
                parcel.attempts,
                parcel.interruptions,
                parcel.lease,
                parcel.created,
                parcel.settled,
            ]
            assert log[uuid] == parcel.log, "the attempt log is another"
            self._bounds(parcel)
        events = dict(Event.select(Event.id, ~Event.fanned_out_at.is_null()).tuples())
        assert {each: bool(out) for each, out in events.items()} == {
            event.id: event.fanned_out for event in self.model.events.values()
        }, "an event appeared, was lost, or fanned out unseen"

    def _delivery_rows(self) -> dict[Any, tuple[Any, ...]]:
        rows = Delivery.select(
            Delivery.uuid,
            Delivery.due_at,
            Delivery.event,
            Delivery.webhook,
            Delivery.status,
            Delivery.attempts,
            Delivery.interruptions,
            Delivery.lease,
            Delivery.created_at,
            Delivery.settled_at,
        )
        return {uuid: rest for uuid, *rest in rows.tuples()}

    def _attempt_rows(self) -> dict[Any, list[expected.LogLine]]:
        log = defaultdict(list)
        rows = (
            Attempt.select(Delivery.uuid, Attempt.number, Attempt.http_status, Attempt.error)
            .join(Delivery)
            .order_by(Attempt.id)
        )
        for uuid, *line in rows.tuples():
            log[uuid].append(tuple(line))
        return log

    def _bounds(self, parcel: Parcel) -> None:
        live = [
            held
            for worker in self.workers.values()
            for held in worker.held
            if held.parcel is parcel and held.is_live(self.now)
        ]
        assert len(live) <= 1, "two live leases"
        assert parcel.attempts <= expected.ATTEMPTS_LIMIT
        assert parcel.interruptions <= expected.INTERRUPTIONS_LIMIT + 1

    # At the end of each run

    def teardown(self) -> None:
        if not self.sound:  # a step failed; what follows would only hide it
            return
        self._switch(option=True)
        for worker in self.workers:
            self._settle(worker, 1000)
            self._die(worker)
        while self._fan_out(500):
            pass
        self._drive_to_the_end()
        self.compare()
        for shop in self.model.shops.values():
            self._look_as(shop)
        assert self.model.outbox() == []
        for parcel in self.model.parcels.values():
            self._ended_well(parcel)

    def _drive_to_the_end(self) -> None:
        """Every address works again."""
        for _ in range(60):
            due = self._due_by_hook()
            if not due:
                return
            self.now = max(self.now, min(due.values()))
            self._call_the_roster("A")
            self._claim("A", 16)
            self._post("A", [expected.ACCEPTED], 1000)
            self._settle("A", 1000)
        pytest.fail("it goes on for ever")

    def _ended_well(self, parcel: Parcel) -> None:
        this_turn = [post for post in parcel.posts if post.turn == parcel.turn]
        if parcel.status == "delivered":
            assert any(post.accepted for post in this_turn), "delivered, and nobody received it"
        else:
            assert parcel.status == "abandoned"
            assert (
                parcel.attempts == expected.ATTEMPTS_LIMIT
                or parcel.interruptions > expected.INTERRUPTIONS_LIMIT
                or parcel.log[-1][2] == "corrupt"
            ), "given up too early"


def owner_of(shop: Shop) -> Actor:
    return Actor(shop.owner, "test")


def distinct(claimed: list[Held]) -> list[Held]:
    """The last look answers with ids: one that is held twice is asked about in two questions."""
    return list({held.claim.id: held for held in reversed(claimed)}.values())[::-1]


def order(parcel: Parcel) -> tuple[int, int]:
    return parcel.event.born, parcel.hook.born


def same_due(one: datetime | None, other: datetime | None, now: datetime) -> bool:
    """Past due times are alike: they only say who is first."""
    return one == other or (one is not None and other is not None and max(one, other) <= now)


@contextmanager
def refused_without_the_option(shop: Shop) -> Iterator[None]:
    if shop.included:
        yield
        return
    with pytest.raises(NotIncluded):
        yield


def empty_tables() -> None:
    with transaction():
        for table in reversed(TABLES):
            table.delete().execute()


@pytest.mark.slow
def test_any_order_of_steps_loses_nothing_and_repeats_nothing_without_a_cause(
    database: str, vault: Vault
) -> None:
    examples = 40 if proxy.for_update else 60
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
