"""The code and its model side by side: each act is done to both, and must come out alike."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import cycle

import pytest

from core import intake
from core.domain.actors import Actor
from core.domain.choices import Chosen
from core.errors import NotIncluded
from core.pipeline import retention
from core.pipeline.fan_out import fan_out
from core.storage.models import Delivery, Event
from core.storage.outbox_memory import OutboxMemory
from core.storage.vault import Vault
from core.use_cases import services
from core.use_cases.businesses import add_business, set_business
from tests.support import outbox_model as expected
from tests.support.outbox_model import Happening, Hook, Model, Parcel, Shop
from tests.support.scene import DEVELOPMENT, NOON, OPERATOR, silent

START = NOON + timedelta(milliseconds=123, microseconds=456)


class World:
    """Two businesses and a clock, which is moved by whoever holds it."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.now = START
        self.memories = cycle((OutboxMemory(), OutboxMemory()))  # of two workers
        self.model = Model()
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
        before = [event.id for event in self.model.events.values() if event.shop is shop]
        self.model.mark = max(self.model.mark, *before, 0)
        assert made.id not in self.model.hooks
        self.model.hooks[made.id] = Hook(
            made.id, shop, url, events, made.secret.reveal(), self.model.next_born()
        )

    def publish(self, shop: Shop, event_type: str, payload: bytes, key: str | None) -> None:
        done = intake.publish(shop.id, event_type, payload, self.now, key=key, wake=silent)
        seen = self.model.seen(shop, key)
        assert (done.not_included is None) is shop.included, "the option was mistaken"
        if not shop.included:
            assert done.event_id is None
        elif seen is not None:
            assert (done.duplicate, done.event_id) == (True, seen.id), "published twice"
        else:
            assert done.event_id is not None
            assert not done.duplicate
            at = self._published_at(done.event_id, shop)
            self.model.publish(done.event_id, shop, (event_type, payload), at, key=key)

    def _published_at(self, event_id: int, shop: Shop) -> datetime:
        """When an event happened by the tables: after the one before it, unless the clock was set
        back far.
        """
        at: datetime = Event.get_by_id(event_id).created_at
        ahead = at - self.now
        assert timedelta() <= ahead <= timedelta(seconds=1), "published at another time"
        before = [each for each in self.model.events.values() if each.shop is shop]
        last = max(before, key=lambda each: each.id).created if before else self.now
        if last < self.now + timedelta(seconds=1) and before:
            assert last < at, "published in another order"
        return at

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
        assert recovered == self.model.recover(hooks, since, self.now), "recovered others"

    def prune(self, keep: timedelta) -> None:
        removed = retention.prune(self.now - keep, self.now)
        expected_number = self.model.prune(self.now - keep, self.now)
        assert removed == expected_number, "pruned too much, or too little"

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
        at = self._published_at(event_id, hook.shop)
        self.model.publish(event_id, hook.shop, ping, at, target=hook)

    def pause(self, hook: Hook) -> None:
        owner = owner_of(hook.shop)
        assert services.pause_webhook(owner, hook.id, self.now) is not hook.paused
        hook.paused = True

    def resume(self, hook: Hook) -> None:
        owner = owner_of(hook.shop)
        assert services.resume_webhook(owner, hook.id, self.now, wake=silent) is hook.paused
        hook.paused = False

    def pace(self, hook: Hook) -> None:
        """Another one, or none."""
        paces = (None, *expected.APART)
        self._set_pace(hook, paces[(paces.index(hook.pace) + 1) % len(paces)])

    def let_go(self, hook: Hook) -> None:
        """Its owner restrains it no more."""
        if hook.paused:
            self.resume(hook)
        if hook.pace is not None:
            self._set_pace(hook, None)

    def _set_pace(self, hook: Hook, pace: str | None) -> None:
        chosen: Chosen = {"pace": pace}
        services.edit_webhook(
            owner_of(hook.shop), hook.id, self.now, policy=DEVELOPMENT, chosen=chosen
        )
        hook.pace, hook.starts_to, hook.not_before = pace, None, hook.held

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
        assert (report.published, report.lines) == (len(fresh), len(pushed)), (
            "published twice, or not"
        )
        self._learn_pushed(shop, fresh)

    def _learn_pushed(self, shop: Shop, fresh: set[str]) -> None:
        rows = Event.select(Event.id, Event.key).where(Event.business == shop.id)
        for event_id, key in rows.order_by(Event.id).tuples():
            if event_id not in self.model.events:
                assert key in fresh
                what = "client.created", b'{"n":1.0}'
                at = self._published_at(event_id, shop)
                self.model.publish(event_id, shop, what, at, key=key)

    def fan_out(self, limit: int) -> int:
        ready = [event for event in self.model.outbox() if event.shop.included]
        done = fan_out(limit, self.now, memory=next(self.memories))
        fresh = self._learn_fanned_out()
        assert all(event in ready for event in fresh), "fanned out for one without the option"
        expected_count = min(limit, len(ready))
        assert done.events == len(fresh) == expected_count, "left in the outbox, or miscounted"
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


def owner_of(shop: Shop) -> Actor:
    return Actor(shop.owner, "test")


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
