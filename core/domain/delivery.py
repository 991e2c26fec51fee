"""What becomes of a delivery: statuses, outcomes, the schedule and the decision. Pure.

A delivery's status is where it stands; an outcome is how one attempt ended. `after_attempt` is
the only way from the second to the first.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

RESPONSE_LIMIT = 500
"""Characters of a response body that are kept and shown (the product's page)."""

INTERRUPTIONS_LIMIT = 10
"""How often an attempt may be cut short by our own worker before its delivery is abandoned."""

TOLD_BEFORE = timedelta(days=7)
"""How long before something parked is given up its owner is told."""

BESIDE = 0
"""The number of an attempt that an owner asked for beside the schedule."""


class Status(StrEnum):
    PENDING = "pending"  # no attempt has ended yet
    FAILED = "failed"  # at least one attempt failed, another is scheduled
    DELIVERED = "delivered"  # a 2xx arrived
    ABANDONED = "abandoned"  # the last allowed attempt failed, or it can never be sent


WAITING = (Status.PENDING, Status.FAILED)


class Recovery(StrEnum):
    """Of a delivery that was abandoned in an outage of its address."""

    DUE = "due"  # it is queued again once the address is back
    MADE = "made"  # it was queued again, which happens once


class ErrorKind(StrEnum):
    """Why an attempt failed, in one word that scripts and screens share."""

    STATUS = "status"  # an answer other than 2xx
    REDIRECT = "redirect"  # a 3xx, which is never followed
    DNS = "dns"  # the name has no address
    CONNECT = "connect"  # refused, unreachable, or reset while connecting
    TLS = "tls"  # no trustworthy certificate, or no common protocol
    TIMEOUT = "timeout"  # no status within the whole attempt's time
    PROTOCOL = "protocol"  # what came back is not HTTP
    BLOCKED = "blocked"  # the address is not a public one
    INTERRUPTED = "interrupted"  # our own worker died
    CORRUPT = "corrupt"  # the stored event cannot be read
    PARKED = "parked"  # its webhook was paused until it was too old
    INTERNAL = "internal"  # a fault of ours that only this delivery meets


SUCCESS = range(200, 300)
"""The HTTP statuses that deliver; every other one is a failure."""


def is_success(http_status: int | None) -> bool:
    return http_status is not None and http_status in SUCCESS


@dataclass(frozen=True, slots=True)
class Answered:
    """The receiver answered with a status; `response` is cleaned and cut."""

    http_status: int
    response: str
    detail: str = ""
    retry_after: str = ""  # as a 429 or a 503 says it, unread

    @property
    def accepted(self) -> bool:
        return is_success(self.http_status)

    @property
    def error(self) -> ErrorKind | None:
        if self.accepted:
            return None
        return ErrorKind.REDIRECT if 300 <= self.http_status <= 399 else ErrorKind.STATUS


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No status arrived; `error` says at which step, `detail` what was seen there."""

    error: ErrorKind
    detail: str


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A kept connection ended before any of the answer: the request may have come, or not."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Our own worker died, or stood still, while it held the lease; it uses up no attempt."""


@dataclass(frozen=True, slots=True)
class Unsendable:
    """What is stored cannot be sent, now or ever."""

    detail: str


@dataclass(frozen=True, slots=True)
class Expired:
    """Nothing was sent: its webhook was paused until it was older than what is kept."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Nothing was sent: the webhook changed, was deleted, or its business was switched off."""


@dataclass(frozen=True, slots=True)
class Locked:
    """Nothing was sent: the webhook's secret, or a header of its own, cannot be opened."""


@dataclass(frozen=True, slots=True)
class Starved:
    """Nothing was sent: our own machine had no descriptor to connect with, or resolves no name."""


Outcome = (
    Answered
    | Unreachable
    | Lapsed
    | Interrupted
    | Unsendable
    | Expired
    | Withdrawn
    | Locked
    | Starved
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long to wait after each failure, and how many attempts there are, the first included."""

    retry_after: tuple[timedelta, ...]
    max_attempts: int

    def wait_after(self, attempt: int) -> timedelta | None:
        """The wait after the failure of `attempt` (counted from 1); None when it was the last."""
        if attempt >= self.max_attempts:
            return None
        return self.retry_after[min(attempt, len(self.retry_after)) - 1]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a delivery becomes.

    `status` None leaves it as it is; `due_at` is when the next attempt may start, None when there
    is none; `counts` is whether the attempt used up one of the allowed ones.
    """

    status: Status | None
    due_at: datetime | None
    counts: bool = True


_UNTIL_MENDED = timedelta(minutes=1)  # what an operator has to mend is looked at again


def after_attempt(
    outcome: Outcome,
    attempt: int,
    interruptions: int,
    schedule: Schedule,
    now: datetime,
    *,
    resume_at: datetime | None = None,
) -> Verdict:
    """What becomes of a delivery once its attempt has ended.

    `attempt` is this attempt's number, counted from 1; `interruptions` is how many attempts were
    cut short by our own worker before this one. With `resume_at` its owner asked for it beside the
    schedule: it uses up none of the attempts, and the next one comes when it was due before.
    """
    if resume_at is not None and isinstance(outcome, Answered | Unreachable | Lapsed):
        return _after_attempt_beside(outcome, max(resume_at, now))
    return _after_scheduled_attempt(outcome, attempt, interruptions, schedule, now)


def _after_attempt_beside(outcome: Answered | Unreachable | Lapsed, due_at: datetime) -> Verdict:
    if isinstance(outcome, Answered) and outcome.accepted:
        return Verdict(Status.DELIVERED, None, counts=False)
    return Verdict(Status.FAILED, due_at, counts=False)


def _after_scheduled_attempt(
    outcome: Outcome, attempt: int, interruptions: int, schedule: Schedule, now: datetime
) -> Verdict:
    match outcome:
        case Answered(accepted=True):
            return Verdict(Status.DELIVERED, None)
        case Lapsed() if attempt == 1 and schedule.max_attempts > 1:
            return Verdict(Status.FAILED, now)  # once, and logged: nobody was asked too often
        case Answered() | Unreachable() | Lapsed():
            wait = schedule.wait_after(attempt)
            if wait is None:
                return Verdict(Status.ABANDONED, None)
            return Verdict(Status.FAILED, now + wait)
        case Interrupted():
            if interruptions + 1 > INTERRUPTIONS_LIMIT:
                return Verdict(Status.ABANDONED, None, counts=False)
            return Verdict(None, now, counts=False)
        case Unsendable() | Expired():
            return Verdict(Status.ABANDONED, None, counts=False)
        case Withdrawn():
            return Verdict(None, now, counts=False)
        case Locked() | Starved():
            return Verdict(None, now + _UNTIL_MENDED, counts=False)
        case _:
            assert_never(outcome)
