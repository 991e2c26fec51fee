"""What attempts come to, as the engine counts them."""

from collections import Counter

from peewee import Expression, fn

from core.domain.delivery import ErrorKind, is_success
from core.storage.literals import is_true
from core.storage.models import Attempt, Delivery, Event, accepted, of_no_check

ATTEMPTS = "attempts"
DELIVERED = "delivered"  # by bucket: how long after publication they were delivered
DELIVERED_TIME = "delivered microseconds"
ABANDONED = "abandoned"
BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 300, 3600, 21_600, 86_400)
"""Seconds from publication to the first 2xx. What took longer has a bucket of its own."""

Counts = Counter[tuple[str, str]]
"""How often each thing happened, by name and label."""


def counted(which: Expression) -> Counts:
    """What these attempts come to, leaving out those of checks."""
    which &= of_no_check(Attempt)
    counts = _outcomes(which)
    counts.update(_arrivals(which))
    abandoned = Attempt.select().where(which & is_true(Attempt.abandoned)).count()
    if abandoned:
        counts[ABANDONED, ""] = abandoned
    return counts


def _outcomes(which: Expression) -> Counts:
    counts: Counts = Counter()
    rows = (
        Attempt.select(Attempt.http_status, Attempt.error, fn.COUNT(Attempt.id))
        .where(which)
        .group_by(Attempt.http_status, Attempt.error)
        .tuples()
    )
    for http_status, error, count in rows:
        counts[ATTEMPTS, _outcome(http_status, error)] += count
    return counts


def _outcome(http_status: int | None, error: str | None) -> str:
    if http_status is None:
        return error or ErrorKind.PROTOCOL
    return "delivered" if is_success(http_status) else f"{http_status // 100}xx"


def _arrivals(which: Expression) -> Counts:
    """How many deliveries got their first 2xx, by how long after publication it was there."""
    earlier = Attempt.alias()
    again = earlier.select(earlier.id).where(
        (earlier.delivery == Attempt.delivery) & (earlier.id < Attempt.id) & accepted(earlier)
    )
    # As plain numbers: peewee would make a datetime of each one.
    ended = Attempt.started_at.cast("BIGINT") + Attempt.duration_us
    took = ended - Event.created_at.cast("BIGINT")
    columns = [
        fn.COUNT(Attempt.id).filter(took <= round(bound * 1_000_000)).alias(f"b{number}")
        for number, bound in enumerate(BUCKETS)
    ]
    row = (
        Attempt.select(fn.COUNT(Attempt.id), fn.SUM(took), *columns)
        .join(Delivery)
        .join(Event)
        .where(which & accepted(Attempt) & ~fn.EXISTS(again))
        .tuples()
        .get()
    )
    total, microseconds, *at_most = row
    counts: Counts = Counter()
    if total:
        counts[DELIVERED, "+Inf"] = total
        counts[DELIVERED_TIME, ""] = int(microseconds)
        counts.update(
            {(DELIVERED, f"{b:g}"): n for b, n in zip(BUCKETS, at_most, strict=True) if n}
        )
    return counts
