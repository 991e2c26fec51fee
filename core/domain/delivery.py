"""What becomes of a delivery: statuses, outcomes, the schedule and the decision. Pure.

The status of a delivery is where it stands; an outcome is how one attempt ended. Only
`after_attempt` leads from an outcome to a status.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, assert_never

RESPONSE_LIMIT = 500
"""How many characters of a response body are kept and shown (the product's page)."""

INTERRUPTIONS_LIMIT = 10
"""How often our own worker may cut an attempt short before the delivery is abandoned."""

TOLD_BEFORE = timedelta(days=7)
"""How long before a parked delivery is given up its owner is told."""

BESIDE = 0
"""The number of an attempt that an owner asked for, beside the schedule."""


class Status(StrEnum):
    PENDING = "pending"  # no attempt has ended yet
    FAILED = "failed"  # at least one attempt failed, and another one is scheduled
    DELIVERED = "delivered"  # a 2xx arrived
    ABANDONED = "abandoned"  # the last allowed attempt failed, or it can never be sent


WAITING = (Status.PENDING, Status.FAILED)


class Recovery(StrEnum):
    """How far a delivery that was abandoned in an outage has been recovered."""

    DUE = "due"  # it will be queued again once the address is back
    MADE = "made"  # it has been queued again, which happens only once


class ErrorKind(StrEnum):
    """Why an attempt failed, in one word that scripts and screens share."""

    STATUS = "status"  # an answer other than 2xx
    REDIRECT = "redirect"  # a 3xx, which is never followed
    DNS = "dns"  # the name has no address
    CONNECT = "connect"  # the connection was refused, impossible, or reset while it was made
    TLS = "tls"  # no trustworthy certificate, or no common protocol
    TIMEOUT = "timeout"  # no status came within the time that a whole attempt has
    PROTOCOL = "protocol"  # what came back is not HTTP
    BLOCKED = "blocked"  # the address is not a public one
    INTERRUPTED = "interrupted"  # our own worker died during the attempt
    CORRUPT = "corrupt"  # the stored event cannot be read
    PARKED = "parked"  # its webhook was paused until the delivery was too old
    INTERNAL = "internal"  # a fault of ours that only this delivery runs into


SUCCESS = range(200, 300)
"""The HTTP statuses that deliver an event; every other one is a failure."""


def is_success(http_status: int | None) -> bool:
    return http_status is not None and http_status in SUCCESS


class Answered(NamedTuple):  # nearly every attempt makes one, and a dataclass takes twice as long
    """The receiver answered with a status; `response` is cleaned and cut."""

    http_status: int
    response: str
    detail: str = ""
    retry_after: str = ""  # as a 429 or a 503 says it; nobody has read it yet

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
    """No status arrived. `error` says at which step it failed, and `detail` what was seen there."""

    error: ErrorKind
    detail: str


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A kept connection ended before any of the answer came: perhaps nobody saw the request."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Our own worker died, or stood still, while it held the lease. No attempt is used up."""


@dataclass(frozen=True, slots=True)
class Unsendable:
    """What is stored cannot be sent, neither now nor ever."""

    detail: str


@dataclass(frozen=True, slots=True)
class Expired:
    """Nothing was sent: the webhook was paused until the delivery was older than what is kept."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Nothing was sent: the webhook was changed or deleted, or its business was switched off."""


@dataclass(frozen=True, slots=True)
class Locked:
    """Nothing was sent: the webhook's secret, or one of its own headers, cannot be opened."""


@dataclass(frozen=True, slots=True)
class Starved:
    """Nothing was sent: our own machine has no descriptor left, or cannot resolve any name."""


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
    """How long to wait after each failure, and how many attempts there are, counting the first."""

    retry_after: tuple[timedelta, ...]
    max_attempts: int

    def wait_after(self, attempt: int) -> timedelta | None:
        """The wait after the failure of this attempt, counted from 1; None after the last one."""
        if attempt >= self.max_attempts:
            return None
        return self.retry_after[min(attempt, len(self.retry_after)) - 1]


class Verdict(NamedTuple):
    """What becomes of a delivery.

    A `status` of None leaves the status as it is. `due_at` is when the next attempt may start, and
    None when there is none. `counts` is whether the attempt used up one of those allowed.
    """

    status: Status | None
    due_at: datetime | None
    counts: bool = True


UNTIL_MENDED = timedelta(minutes=1)
"""How long it is until we look again at what an operator has to mend."""


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

    `attempt` is the number of this attempt, counted from 1, and `interruptions` is how many
    attempts our own worker cut short before it. Where `resume_at` is given, the owner asked for
    this attempt beside the schedule: it uses up none of the attempts, and the next one comes when
    it was due before.
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
            return Verdict(Status.FAILED, now)  # once: nobody was asked more often than allowed
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
            return Verdict(None, now + UNTIL_MENDED, counts=False)
        case _:
            assert_never(outcome)
