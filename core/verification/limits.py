"""What holds an attempt back: deletions, pauses, paces, and how often it may be made."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from core.domain.delivery import BESIDE, INTERRUPTIONS_LIMIT, WAITING, ErrorKind, Status
from core.domain.pace import interval
from core.verification.evidence import COMMITTING, NOT_ATTEMPTED, Evidence, is_in_a_pause
from core.verification.history import Row, beside, interrupted, rounds, used_up

_CLOCKS = timedelta(milliseconds=5)
"""How well the clocks of two workers on one machine agree, apart from steps of the clock."""


def posted_after_deletion(evidence: Evidence) -> Iterator[str]:
    deletions = {
        webhook_id: evidence.deletions.get(webhook_id, at + COMMITTING)
        for webhook_id, at in evidence.history.deleted.items()
    }
    for delivery, posts, _ in evidence.known():
        for post in posts:
            if delivery.webhook in deletions and post.at > deletions[delivery.webhook]:
                yield f"delivery {delivery.uuid} was sent after its webhook was deleted"
    last = {
        url: at for webhook_id, at in deletions.items() for url in evidence.history.urls[webhook_id]
    }
    for post in evidence.unknown():
        if post.url in last and post.at > last[post.url]:
            yield f"{post.url} got a POST after its webhook was deleted"


def attempted_in_a_pause(evidence: Evidence) -> Iterator[str]:
    for delivery, posts, log in evidence.known():
        if evidence.history.is_on_purpose(delivery):
            continue
        begun = [post.at for post in posts]
        begun += [
            row.started_at
            for row in log
            if row.error not in {ErrorKind.INTERRUPTED, *NOT_ATTEMPTED}
        ]
        if any(is_in_a_pause(at, delivery, evidence, COMMITTING) for at in begun):
            yield f"delivery {delivery.uuid} was attempted while its webhook was paused"


def too_close(evidence: Evidence) -> Iterator[str]:
    """Starts that were closer together than the pace that a webhook has had since its last edit."""
    begun = defaultdict[int, list[datetime]](list)
    for delivery, _, log in evidence.known():
        not_begun = {ErrorKind.INTERRUPTED, *NOT_ATTEMPTED}
        begun[delivery.webhook] += [row.started_at for row in log if row.error not in not_begun]
    for webhook in evidence.history.webhooks.values():
        if webhook.pace is None:
            continue
        since = evidence.history.selecting_since[webhook.id] + COMMITTING
        moments = sorted(at for at in begun[webhook.id] if at >= since)
        for before, after in pairwise(moments):
            if after - before < interval(webhook.pace) - _CLOCKS:
                apart = (after - before).total_seconds()
                yield f"webhook {webhook.id} was sent to twice within {apart:.3f} s, at {after}"


def miscounted(evidence: Evidence) -> Iterator[str]:
    for delivery, _, log in evidence.known():
        restarts = evidence.history.restarts(delivery)
        if len(rounds(log)) > 1 + restarts:
            yield f"delivery {delivery.uuid} began its schedule again, for no reason"
        if evidence.history.recoveries(delivery) > 1 + evidence.history.by_owners(delivery):
            yield f"delivery {delivery.uuid} was recovered by itself more than once"
        if beside(log) > evidence.history.by_owners(delivery):
            yield f"delivery {delivery.uuid} was attempted beside its schedule, for no reason"
        if delivery.resume_at is not None and delivery.status != Status.FAILED:
            yield f"delivery {delivery.uuid} is {delivery.status} and its schedule is to go on"
        waits_anew = restarts > 0 and delivery.status in WAITING and not delivery.attempts
        faults = [fault for each in rounds(log) for fault in _faults(each, evidence)]
        if not waits_anew:
            faults += _differs(delivery, rounds(log)[-1] if log else [])
        yield from (f"delivery {delivery.uuid} {fault}" for fault in faults)


def _faults(log: Sequence[Row], evidence: Evidence) -> Iterator[str]:
    """What is wrong with the attempts of one round."""
    for position, row in enumerate(log):
        if row.number not in {BESIDE, 1 + used_up(log[:position])}:
            yield f"has attempt {row.number} after {used_up(log[:position])} that count"
    if used_up(log) > evidence.schedule.max_attempts:
        yield f"was attempted {used_up(log)} times"
    if interrupted(log) > INTERRUPTIONS_LIMIT + 1:
        yield f"was interrupted {interrupted(log)} times"


def _differs(delivery: Row, log: Sequence[Row]) -> Iterator[str]:
    if delivery.attempts != used_up(log):
        yield f"counts {delivery.attempts} attempts and its log {used_up(log)}"
    if delivery.interruptions != interrupted(log):
        yield f"counts {delivery.interruptions} interruptions and its log {interrupted(log)}"
