"""What must hold between the tables and the model after each step, and at the end of a run."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from core.domain.actors import Actor
from core.errors import NotFound
from core.storage.models import Attempt, Delivery, Event, Webhook
from core.use_cases import membership, queries
from tests.support import outbox_model as expected
from tests.support.outbox_model import Model, Parcel, Shop
from tests.support.outbox_workers import Workers
from tests.support.outbox_world import owner_of, same_due

COLUMNS = (
    "event",
    "webhook",
    "status",
    "attempts",
    "interruptions",
    "lease",
    "created_at",
    "settled_at",
    "recovery",
    "resume_at",
)


def compare(world: Workers) -> None:
    """The tables and the model say the same, row by row."""
    rows = _delivery_rows()
    parcels = world.model.parcels
    assert set(rows) - world.model.gone == set(parcels), "a delivery appeared or was lost"
    log = _attempt_rows()
    for uuid, parcel in parcels.items():
        due, *rest = rows[uuid]
        assert same_due(due, parcel.due, world.now), "due at another time"
        other = {
            name: f"{stored} instead of {said}"
            for name, stored, said in zip(COLUMNS, rest, _row(parcel), strict=True)
            if stored != said
        }
        assert not other, f"a delivery is not as it should be: {other}"
        assert log[uuid] == parcel.log, "the attempt log is another"
        _bounds(world, parcel)
    columns = Webhook.id, Webhook.ready_at, Webhook.held_until, Webhook.not_before
    ready = {hook_id: rest for hook_id, *rest in Webhook.select(*columns).tuples()}
    for hook_id, due in world.due_by_hook().items():
        hook, (ready_at, *hold) = world.model.hooks[hook_id], ready[hook_id]
        assert ready_at is not None, "a webhook would never be looked at"
        assert ready_at <= due, "a webhook would be looked at too late"
        assert hold == [hook.held, hook.not_before], "another hold"
    events = dict(Event.select(Event.id, ~Event.fanned_out_at.is_null()).tuples())
    assert {each: bool(out) for each, out in events.items()} == {
        event.id: event.fanned_out for event in world.model.events.values()
    }, "an event appeared, was lost, or fanned out unseen"


def _row(parcel: Parcel) -> tuple[object, ...]:
    return (
        parcel.event.id,
        parcel.hook.id,
        parcel.status,
        parcel.attempts,
        parcel.interruptions,
        parcel.lease,
        parcel.created,
        parcel.settled,
        parcel.recovery,
        parcel.resume,
    )


def _delivery_rows() -> dict[Any, tuple[Any, ...]]:
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
        Delivery.recovery,
        Delivery.resume_at,
    )
    return {uuid: rest for uuid, *rest in rows.tuples()}


def _attempt_rows() -> dict[Any, list[expected.LogLine]]:
    log = defaultdict(list)
    rows = (
        Attempt.select(
            Delivery.uuid,
            Attempt.number,
            Attempt.http_status,
            Attempt.error,
            Attempt.recovery,
        )
        .join(Delivery)
        .order_by(Attempt.id)
    )
    for uuid, *line in rows.tuples():
        log[uuid].append(tuple(line))
    return log


def _bounds(world: Workers, parcel: Parcel) -> None:
    live = [
        held
        for worker in world.workers.values()
        for held in worker.held
        if held.parcel is parcel and held.is_live(world.now)
    ]
    assert len(live) <= 1, "two live leases"
    assert parcel.attempts <= expected.ATTEMPTS_LIMIT, "one attempt too many"
    assert parcel.interruptions <= expected.INTERRUPTIONS_LIMIT + 1, "interrupted for ever"


def look_as(model: Model, shop: Shop) -> None:
    owner = owner_of(shop)
    assert [row.id for row in membership.businesses(owner)] == [shop.id], "another's business"
    seen = {(row.id, row.url, frozenset(row.events)) for row in queries.webhooks(owner, shop.id)}
    assert seen == {(each.id, each.url, each.events) for each in model.hooks_of(shop)}, (
        "other webhooks"
    )
    parcels = model.parcels.values()
    mine = {each.uuid for each in parcels if each.hook.shop is shop}
    listed = queries.deliveries_of_business(owner, shop.id, limit=1000)
    assert {row.uuid for row in listed} == mine, "another's rows, or not all of one's own"
    for uuid in sorted(mine)[:1]:
        assert queries.delivery(owner, str(uuid)).body == model.parcels[uuid].body, (
            "other bytes are shown"
        )
    for other in model.shops.values():
        if other is not shop:
            _look_at_a_stranger(model, owner, other)


def _look_at_a_stranger(model: Model, owner: Actor, other: Shop) -> None:
    hidden: list[tuple[Callable[..., object], object]] = [
        (queries.webhooks, other.id),
        (queries.deliveries_of_business, other.id),
    ]
    for hook in model.hooks_of(other)[:1]:
        hidden.append((queries.deliveries, hook.id))
        hidden += [(queries.delivery, str(parcel.uuid)) for parcel in model.parcels_of(hook)[:1]]
    for read, what in hidden:
        with pytest.raises(NotFound):
            read(owner, what)


def ended_well(parcel: Parcel) -> None:
    this_turn = [post for post in parcel.posts if post.turn == parcel.turn]
    if parcel.status == "delivered":
        assert any(post.accepted for post in this_turn), "delivered, and nobody received it"
    else:
        assert parcel.status == "abandoned"
        assert (
            parcel.attempts == expected.ATTEMPTS_LIMIT
            or parcel.interruptions > expected.INTERRUPTIONS_LIMIT
            or parcel.log[-1][2] in {"corrupt", "parked"}
        ), "given up too early"
