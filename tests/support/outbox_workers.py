"""Two workers who claim, send and settle, the code and its model side by side."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from core.domain.delivery import (
    Answered,
    ErrorKind,
    Locked,
    Outcome,
    Unreachable,
    Unsendable,
    Withdrawn,
)
from core.domain.signing import build_body
from core.pipeline import last_look, leases, settling
from core.pipeline.leases import Claim
from core.pipeline.recovery import recover_some
from core.pipeline.settling import Settlement
from core.storage.due import next_due, waiting_webhooks
from core.storage.models import Delivery, Webhook
from core.storage.vault import Vault
from tests.support import outbox_model as expected
from tests.support.outbox_model import Hook, Parcel, Post
from tests.support.outbox_world import START, World, order
from tests.support.scene import MINUTE, SCHEDULE, SECOND

WINDOW = timedelta(hours=12)
MICROSECOND = timedelta(microseconds=1)
OUTCOMES: dict[str, Outcome] = {
    expected.ACCEPTED: Answered(200, "thanks"),
    expected.REFUSED: Answered(500, "oops"),
    expected.REDIRECTED: Answered(302, "", "redirects to /"),
    expected.UNREACHABLE: Unreachable(ErrorKind.TIMEOUT, "no answer"),
    expected.ASKED: Answered(429, "", retry_after="120"),
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
    started: datetime = START
    asked_until: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        return self.parcel.lease == self.claim.lease and self.until > now


@dataclass(eq=False)
class Worker:
    held: list[Held] = field(default_factory=list)
    settled: list[Settlement] = field(default_factory=list)
    roster: dict[int, bool] = field(default_factory=dict)  # webhooks, and which are restrained


class Workers(World):
    """Both of them, and what reaches the receivers."""

    def __init__(self, vault: Vault) -> None:
        super().__init__(vault)
        self.workers = {"A": Worker(), "B": Worker()}

    def due(self) -> list[Parcel]:
        going = [parcel for parcel in self.model.parcels.values() if not parcel.is_parked]
        return [parcel for parcel in going if parcel.is_due(self.now)]

    def due_by_hook(self) -> dict[int, datetime]:
        """When something of each may be claimed."""
        due: dict[int, datetime] = {}
        for parcel in self.model.parcels.values():
            if parcel.due is not None and parcel.hook.shop.included and not parcel.is_parked:
                start = max(parcel.due, parcel.hook.not_before or parcel.due)
                due[parcel.hook.id] = min(start, due.get(parcel.hook.id, start))
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
        rows = waiting_webhooks(self.now)
        called = {row.webhook_id for row in rows}
        due = self.due_by_hook()
        assert called >= {each for each in due if due[each] <= self.now}, "a webhook was forgotten"
        assert all(self.model.hooks[each].may_be_sent_to for each in called), "or one too many"
        down = {row.webhook_id for row in rows if row.is_down}
        assert down == {each for each in called if self.model.hooks[each].is_down}, "up, or down"
        looks_at = next_due(self.now)
        for first in due.values():
            assert looks_at is not None, "nobody would look again"
            assert looks_at <= max(first, self.now), "too late"
        for row in rows:
            hook = self.model.hooks[row.webhook_id]
            how_it_is = hook.paused, hook.held is not None, hook.pace is not None
            assert (row.is_paused, row.is_held, row.is_paced) == how_it_is, "restrained, or not"
        restrained = {row.webhook_id for row in rows if row.is_restrained}
        self.workers[worker].roster = {each: each in restrained for each in sorted(called)}

    def claim(self, worker: str, room: int) -> None:
        roster = self.workers[worker].roster
        wanted = dict.fromkeys(roster, room)
        due = self.due()
        restrained = [each for each in roster if roster[each]]
        claims = leases.claim(wanted, SCHEDULE, self.now, restrained=restrained)
        taken = [(claim, self._claimable(claim, due)) for claim in claims]
        doomed = self._doomed(due)
        counted = defaultdict(int)
        for parcel in (*(parcel for _, parcel in taken), *doomed):
            counted[parcel.hook.id] += 1
        for hook_id, was_restrained in roster.items():
            hook = self.model.hooks.get(hook_id)
            if hook is None or not hook.may_be_sent_to or hook.is_restrained > was_restrained:
                assert counted[hook_id] == 0, "claimed of what may not be sent to"
                continue
            owing = sum(parcel.hook is hook for parcel in due)
            most = min(hook.most(room, self.now), owing)
            assert counted[hook_id] <= most, "more than there was room for"
            assert counted[hook_id] >= hook.least(most, self.now), "due, room, and not claimed"
        for parcel in doomed:
            parcel.doomed(self.now)
        for claim, parcel in sorted(taken, key=lambda pair: order(pair[1])):
            self._take(worker, claim, parcel)
        self._reserve(claims, {self.model.hooks[each] for each in counted if counted[each]})

    def _reserve(self, claims: list[Claim], hooks: set[Hook]) -> None:
        """Of what was claimed the starts are taken, and in a hold nothing else goes beside it."""
        paced = [hook.id for hook in hooks if hook.pace is not None]
        taken_to = dict(
            Webhook.select(Webhook.id, Webhook.paced_to).where(Webhook.id.in_(paced)).tuples()
            if paced
            else ()
        )
        for hook in hooks:
            if hook.id in taken_to:
                starts = [each.start for each in claims if each.webhook_id == hook.id]
                known = [(each.at, each.by) for each in starts if each is not None]
                assert len(known) == len(starts), "claimed without a start"
                assert all(at <= self.now + expected.AHEAD for at, _ in known), "claimed too early"
                hook.start_at(known, taken_to[hook.id])
            if hook.held is not None or hook.pace in expected.ALONE:
                leased_until = self.now + expected.LEASE
                hook.not_before = max(leased_until, hook.not_before or leased_until)

    def _claimable(self, claim: Claim, due: list[Parcel]) -> Parcel:
        parcel = self.model.parcels.get(UUID(claim.uuid))
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
            str(parcel.uuid),
            claim.lease,
            parcel.attempts + 1,
            parcel.interruptions,
            event.type,
            event.payload,
            True,
            parcel.wire_time,
            hook.id,
            hook.shop.id,
            hook.url,
            claim.sealed_secret,
            parcel.recovery,
            parcel.resume,
            is_on_purpose=event.target is not None,
            held_until=hook.held,
            pace=hook.pace,
            start=claim.start,
        ), f"a claim is not as it should be: {claim}"
        assert claim.attempt <= expected.ATTEMPTS_LIMIT, "one attempt too many"
        assert secret.reveal() == hook.secret, "claimed with an old secret"
        held = Held(claim, parcel, hook.secret, self.now + expected.LEASE)
        self.workers[worker].held.append(held)

    def unsent(self, worker: str = "AB") -> list[Held]:
        return [held for name in worker for held in self.workers[name].held if held.how is None]

    def ended(self, worker: str = "AB") -> list[Held]:
        return [held for name in worker for held in self.workers[name].held if held.how]

    def post(self, worker: str, round_of_answers: list[str], count: int) -> None:
        batch = self.unsent(worker)[:count]
        sendable = last_look.still_sendable([held.claim for held in batch])
        for number, (held, may_send) in enumerate(zip(batch, sendable, strict=True)):
            hook = held.parcel.hook
            stands = (
                not hook.deleted
                and hook.shop.included
                and not held.parcel.is_parked
                and (held.claim.url, held.secret) == (hook.url, hook.secret)
                and (held.claim.held_until, held.claim.pace) == (hook.held, hook.pace)
            )
            assert may_send is stands, "the last look was mistaken"
            held.how = round_of_answers[number % len(round_of_answers)]
            held.started = self.now + number * MICROSECOND
            if stands:
                self._receive(held)
                if held.how == expected.ASKED:
                    held.asked_until = self.now + expected.ASKED_FOR
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
        assert not parcel.is_parked, "a POST to a paused webhook"
        assert parcel.hook.shop.included, "a POST for a business without the option"
        assert parcel.may_be_posted(claim.lease, held.until, self.now), "repeated without a cause"
        accepted = held.how == expected.ACCEPTED
        parcel.posts.append(Post(body, claim.lease, parcel.turn, accepted))

    def settle(self, worker: str, count: int) -> None:
        batch = self.ended(worker)[:count]
        settlements = [
            Settlement(
                *(held.claim, OUTCOMES[held.how], held.started, SECOND, held.asked_until),
                sent_at=None if held.how == expected.WITHDRAWN else held.started,
            )
            for held in batch
            if held.how is not None
        ]
        recorded = settling.settle(settlements, SCHEDULE, self.now)
        done = {UUID(each.claim.uuid) for each, _ in recorded}
        ours = [
            held
            for held in batch
            if held.parcel.uuid in self.model.parcels and held.parcel.lease == held.claim.lease
        ]
        assert done == {held.parcel.uuid for held in ours}, "a stale settle, or a lost one"
        for held in sorted(ours, key=lambda held: held.started):
            assert held.how is not None
            held.parcel.settle(held.how, self.now)
            held.parcel.ended(held.how, held.started, held.started + SECOND)
        self._heed(ours)
        mine = self.workers[worker]
        mine.held = [held for held in mine.held if held not in batch]
        mine.settled = (mine.settled + settlements)[-5:]

    def _heed(self, settled: list[Held]) -> None:
        for held in settled:
            if held.asked_until is not None:
                held.parcel.hook.asked(held.asked_until)
        for held in sorted(settled, key=lambda held: held.how == expected.ACCEPTED):
            start = held.claim.start
            if start is not None and held.claim.pace in expected.ALONE:
                apart = expected.APART[held.claim.pace]
                known = min(held.started + SECOND, held.started + apart / 4)
                at = start.at if held.how == expected.WITHDRAWN else known + apart * 1.05
                held.parcel.hook.next_starts(start.by + apart, at, self.now)
            if held.asked_until is None and held.claim.held_until is not None:
                accepted = held.how == expected.ACCEPTED
                held.parcel.hook.probed(held.claim.held_until, self.now, accepted=accepted)

    def die(self, worker: str) -> None:
        for held in self.workers[worker].held:
            held.parcel.lost.add(held.claim.lease)
        self.workers[worker] = Worker()

    def recover_some(self, limit: int) -> bool:
        """What was abandoned in an outage that is over is queued again, bit by bit."""
        since = self.now - WINDOW
        owing = [each for each in self.model.parcels.values() if each.may_recover(since)]
        more = recover_some(limit, WINDOW, self.now)
        failed = Delivery.select(Delivery.uuid, Delivery.due_at).where(Delivery.status == "failed")
        queued = dict(failed.tuples())
        made = [each for each in owing if each.uuid in queued]
        assert len(made) <= limit, "recovered more than was asked for"
        assert more or not owing, "abandoned in an outage, and forgotten"
        for parcel in made:
            assert timedelta() <= queued[parcel.uuid] - self.now <= MINUTE, "too early, or late"
            parcel.start_again("failed", queued[parcel.uuid], recovery="made")
        return more

    def recover_all(self) -> None:
        for _ in range(60):
            if not self.recover_some(100):
                return
        pytest.fail("recovery goes on for ever")

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
            self.recover_all()
        pytest.fail("it goes on for ever")
