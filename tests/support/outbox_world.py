"""The code and its model side by side: each act is done to both, and must come out alike."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import outbox_model as expected
import pytest
from outbox_model import Happening, Hook, Model, Parcel, Post, Shop
from scene import DEVELOPMENT, NOON, OPERATOR, SCHEDULE, SECOND, silent

from core import intake, outbox, retention, services
from core.delivery import Answered, ErrorKind, Locked, Outcome, Unreachable, Unsendable, Withdrawn
from core.directory import add_business, set_business
from core.errors import NotIncluded
from core.models import Delivery, Event
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


class World:
    """Two businesses, two workers and a clock; `now` is moved by whoever holds it."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.now = START
        self.model = Model()
        self.workers = {"A": Worker(), "B": Worker()}
        for edition, owner in (("boutique", "paul"), ("group", "marie")):
            shop_id = add_business(OPERATOR, owner, edition, owner, self.now, option=True)
            always = edition == "group"
            self.model.shops[shop_id] = Shop(shop_id, owner, always, option=True)

    def switch(self, option: bool) -> None:
        boutique = next(iter(self.model.shops.values()))
        set_business(OPERATOR, boutique.id, self.now, option=option)
        boutique.option = option

    def create(self, shop: Shop, url: str, events: frozenset[str]) -> None:
        made = services.create_webhook(
            owner_of(shop), shop.id, url, events, self.now, policy=DEVELOPMENT, vault=self.vault
        )
        self._learn_fanned_out()
        assert made.id not in self.model.hooks
        self.model.hooks[made.id] = Hook(
            made.id, shop, url, events, made.secret.reveal(), self.model.next_born()
        )

    def publish(self, shop: Shop, event_type: str, payload: bytes, key: str | None) -> None:
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

    def redeliver(self, parcel: Parcel) -> None:
        owner = owner_of(parcel.hook.shop)
        services.redeliver(owner, str(parcel.uuid), self.now, wake=silent)
        parcel.redeliver(self.now)

    def recover(self, shop: Shop, since: datetime, only: Hook | None) -> None:
        hooks = self.model.hooks_of(shop) if only is None else [only]
        recovered = services.recover(
            owner_of(shop),
            shop.id,
            since,
            self.now,
            webhook_id=None if only is None else only.id,
            wake=silent,
        )
        assert recovered == self.model.recover(hooks, since, self.now)

    def prune(self, keep: timedelta) -> None:
        removed = retention.prune(self.now - keep, self.now)
        assert removed == self.model.prune(self.now - keep)

    def edit(self, hook: Hook, url: str | None, events: frozenset[str] | None) -> None:
        owner = owner_of(hook.shop)
        services.edit_webhook(owner, hook.id, self.now, url=url, events=events, policy=DEVELOPMENT)
        hook.url, hook.events = url or hook.url, events or hook.events

    def regenerate(self, hook: Hook) -> None:
        owner = owner_of(hook.shop)
        secret = services.regenerate_secret(owner, hook.id, self.now, vault=self.vault)
        hook.secret = secret.reveal()

    def send_test(self, hook: Hook) -> None:
        event_id = services.send_test(owner_of(hook.shop), hook.id, self.now, wake=silent)
        ping = expected.PING, b'{"message":"This is a test from AuraPOS."}'
        self.model.publish(event_id, hook.shop, ping, self.now, target=hook)

    def delete(self, hook: Hook) -> None:
        services.delete_webhook(owner_of(hook.shop), hook.id, self.now)
        self.model.delete(hook)

    def push(self, shop: Shop, pushed: list[str]) -> None:
        fresh = {key for key in pushed if self.model.seen(shop, key) is None}
        report = intake.sync(
            shop.id,
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
        self._learn_pushed(shop, fresh)

    def _learn_pushed(self, shop: Shop, fresh: set[str]) -> None:
        rows = Event.select(Event.id, Event.key).where(Event.business == shop.id)
        for event_id, key in rows.order_by(Event.id).tuples():
            if event_id not in self.model.events:
                assert key in fresh
                what = "client.created", b'{"n":1.0}'
                self.model.publish(event_id, shop, what, self.now, key=key)

    def fan_out(self, limit: int) -> int:
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

    def due(self) -> list[Parcel]:
        return [parcel for parcel in self.model.parcels.values() if parcel.is_due(self.now)]

    def due_by_hook(self) -> dict[int, datetime]:
        due: dict[int, datetime] = {}
        for parcel in self.model.parcels.values():
            if parcel.due is not None and parcel.hook.shop.included:
                due[parcel.hook.id] = min(parcel.due, due.get(parcel.hook.id, parcel.due))
        return due

    def go_on(self, worker: str, room: int, answer: str) -> None:
        """The next thing that a worker does: claim, send or settle."""
        if not self.workers[worker].held:
            self.call_the_roster(worker)
            self.claim(worker, room)
        elif self.unsent(worker):
            self.post(worker, [answer], room)
        else:
            self.settle(worker, room)

    def call_the_roster(self, worker: str) -> None:
        waiting = dict(outbox.waiting_webhooks())
        due = self.due_by_hook()
        assert set(waiting) == set(due), "a webhook was forgotten, or one that may not be sent to"
        assert all(same_due(waiting[each], due[each], self.now) for each in due)
        self.workers[worker].roster = sorted(due)

    def claim(self, worker: str, room: int) -> None:
        wanted = dict.fromkeys(self.workers[worker].roster, room)
        due = self.due()
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

    def unsent(self, worker: str = "AB") -> list[Held]:
        return [held for name in worker for held in self.workers[name].held if held.how is None]

    def ended(self, worker: str = "AB") -> list[Held]:
        return [held for name in worker for held in self.workers[name].held if held.how]

    def post(self, worker: str, round_of_answers: list[str], count: int) -> None:
        batch = distinct(self.unsent(worker))[:count]
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

    def settle(self, worker: str, count: int) -> None:
        batch = self.ended(worker)[:count]
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

    def die(self, worker: str) -> None:
        for held in self.workers[worker].held:
            held.parcel.lost.add(held.claim.lease)
        self.workers[worker] = Worker()

    def drive_to_the_end(self) -> None:
        """Every address works again."""
        for _ in range(60):
            due = self.due_by_hook()
            if not due:
                return
            self.now = max(self.now, min(due.values()))
            self.call_the_roster("A")
            self.claim("A", 16)
            self.post("A", [expected.ACCEPTED], 1000)
            self.settle("A", 1000)
        pytest.fail("it goes on for ever")


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
