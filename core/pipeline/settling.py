"""Settling: the outcomes of attempts are recorded, and their leases given up.

Every write states its condition, and losing is normal: another worker was there first.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from core.domain.delivery import (
    BESIDE,
    Answered,
    Interrupted,
    Lapsed,
    Locked,
    Outcome,
    Recovery,
    Schedule,
    Starved,
    Status,
    Unreachable,
    Verdict,
    Withdrawn,
    after_attempt,
)
from core.domain.events import CHECKS
from core.pipeline.alerts import ends_soon, note_certificates
from core.pipeline.attempt_log import attempt_row, prepare_log
from core.pipeline.leases import Claim
from core.pipeline.recovery import Ended, note_outages
from core.pipeline.restraint import Heard, heed
from core.pipeline.steps import Step, passed
from core.storage import leased, outages
from core.storage.database import transaction
from core.storage.inserts import Prepared
from core.storage.ready import lower, pin


class Settlement(NamedTuple):
    """How one claimed attempt ended."""

    claim: Claim
    outcome: Outcome
    started_at: datetime
    duration: timedelta
    asked_until: datetime | None = None  # until when the answer asked for nothing more to be sent
    certificate_until: datetime | None = None  # the server's, where there was a handshake
    sent_at: datetime | None = None  # when all of it was written, where that counts for a pace


Judged = tuple[Settlement, Verdict]


def settle(settlements: Iterable[Settlement], schedule: Schedule, now: datetime) -> list[Judged]:
    """Record these outcomes and give the leases up; returns those that were still ours to settle.

    Where a lease ran out, or a delivery was deleted meanwhile, nothing changes: whoever has claimed
    it since decides.
    """
    by_verdict = defaultdict(list)
    for settlement in settlements:
        claimed = settlement.claim
        verdict = after_attempt(
            settlement.outcome,
            claimed.attempt,
            claimed.interruptions,
            _schedule_of(settlement, schedule),
            now,
            resume_at=claimed.resume_at,
        )
        interrupted = isinstance(settlement.outcome, Interrupted)
        by_verdict[verdict, claimed.lease, interrupted].append((settlement, verdict))
    judged = [pair for group in by_verdict.values() for pair in group]
    # Prepared as if all were still ours, which is nearly always so: others wait during a
    # transaction.
    log, telling = _attempt_log(judged), _telling(judged)
    ended = None if _are_accepted(telling) else _ended(telling)
    certificates = _ending_certificates(judged, now)
    with transaction():
        pin(_held_in_settling(judged, telling, certificates))
        settled = []
        for (verdict, lease, interrupted), group in by_verdict.items():
            ids = [each.claim.id for each, _ in group]
            ours = leased.settle(ids, lease, verdict, now, interruptions=int(interrupted))
            still_ours = [pair for pair in group if pair[0].claim.id in ours]
            if verdict.due_at is not None:
                lower(_webhooks_of(still_ours), verdict.due_at)
            settled += still_ours
        if len(settled) < len(judged):
            log, telling, ended = _attempt_log(settled), _telling(settled), None
        for statement in log:
            statement.run()
        # Nearly always all is well, and nothing is to be noted.
        if not (_are_accepted(telling) and outages.all_well(_webhooks_of(telling))):
            note_outages(ended or _ended(telling))
        note_certificates(certificates, now)
        heed(_heard(settled), now)
        passed(Step.SETTLING)
    passed(Step.SETTLED)
    return settled


_ONCE = Schedule((), 1)
_NOT_MADE = Withdrawn | Locked | Starved  # no attempt was made
_THEIRS = Answered | Unreachable


def _schedule_of(settlement: Settlement, schedule: Schedule) -> Schedule:
    """The schedule that counts. A check is to find out what a receiver does, so it asks once. Where
    a kept connection ended, it has not asked yet.
    """
    is_answered = not isinstance(settlement.outcome, Lapsed)
    return _ONCE if settlement.claim.purpose in CHECKS and is_answered else schedule


def _held_in_settling(
    judged: Collection[Judged],
    telling: Collection[Judged],
    certificates: Collection[int],
) -> set[int]:
    """The webhooks of which something is due again, whose next one this attempt decides on, or
    whose certificate is noted; and with them all whose outages are noted, since two workers must
    lock them in one order.
    """
    held = set(certificates) | {
        each.claim.webhook_id
        for each, verdict in judged
        if verdict.due_at is not None or _is_restrained(each)
    }
    if held or not _are_accepted(telling):
        held |= _webhooks_of(telling)
    return held


def _are_accepted(judged: Iterable[Judged]) -> bool:
    return all(verdict.status is Status.DELIVERED for _, verdict in judged)


def _webhooks_of(judged: Iterable[Judged]) -> set[int]:
    return {each.claim.webhook_id for each, _ in judged}


def _is_restrained(ended: Settlement) -> bool:
    return bool(ended.claim.held_until or ended.asked_until or ended.claim.start)


def _counts_from(ended: Settlement) -> datetime | None:
    """When it was sent, or set out to be where it reached nobody; None where neither was tried, or
    no pace counts from it.
    """
    if ended.claim.start is None:
        return None
    reached_nobody = isinstance(ended.outcome, Unreachable) and ended.sent_at is None
    return ended.started_at if reached_nobody else ended.sent_at


def _ending_certificates(judged: Iterable[Judged], now: datetime) -> dict[int, datetime]:
    """The webhooks whose server showed a certificate that ends soon, and when it ends."""
    return {
        each.claim.webhook_id: each.certificate_until
        for each, _ in judged
        if each.certificate_until is not None and ends_soon(each.certificate_until, now)
    }


def _heard(settled: Iterable[Judged]) -> list[Heard]:
    return [
        Heard(
            *(each.claim.webhook_id, each.claim.held_until, each.asked_until),
            accepted=verdict.status is Status.DELIVERED,
            start=each.claim.start,
            sent_at=_counts_from(each),
            ended_at=each.started_at + each.duration,
        )
        for each, verdict in settled
        if _is_restrained(each)
    ]


def _attempt_log(settled: Iterable[Judged]) -> list[Prepared]:
    return prepare_log(
        attempt_row(
            each.claim.id,
            _number(each),
            each.started_at,
            each.duration,
            each.outcome,
            recovery=each.claim.recovery == Recovery.MADE,
            abandoned=verdict.status is Status.ABANDONED,
        )
        for each, verdict in settled
        if not isinstance(each.outcome, _NOT_MADE)
    )


def _number(ended: Settlement) -> int:
    """The number of this attempt in the log. One that was cut short is made again, so it is not
    beside the schedule yet.
    """
    is_beside = ended.claim.resume_at is not None and not isinstance(ended.outcome, Interrupted)
    return BESIDE if is_beside else ended.claim.attempt


def _telling(settled: Iterable[Judged]) -> list[Judged]:
    """Those that say something about their addresses."""
    return [
        (each, verdict)
        for each, verdict in settled
        if each.claim.purpose is None and (_is_theirs(each) or verdict.status is Status.ABANDONED)
    ]


def _ended(telling: Iterable[Judged]) -> list[Ended]:
    """What these attempts say about their addresses, in the order in which they ended."""
    return [
        Ended(
            each.claim.webhook_id,
            each.claim.id,
            each.started_at,
            each.started_at + each.duration,
            each.claim.attempt,
            accepted=verdict.status is Status.DELIVERED,
            abandoned=verdict.status is Status.ABANDONED,
            is_theirs=_is_theirs(each),
        )
        for each, verdict in sorted(telling, key=lambda pair: pair[0].started_at + pair[0].duration)
    ]


def _is_theirs(ended: Settlement) -> bool:
    """Whether the outcome says how the address is."""
    return isinstance(ended.outcome, _THEIRS) and ended.asked_until is None
