"""What a run has left behind: the tables, what receivers got, and what only who ran it knows."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

from core.domain.delivery import ErrorKind, Schedule, is_success
from core.domain.signing import Secret
from core.verification.history import History, Post, Row

COMMITTING = timedelta(seconds=1)
"""How long after its time a deletion commits, and how long after a last look the receiver's clock
tells.
"""


NOT_ATTEMPTED = {ErrorKind.CORRUPT, ErrorKind.PARKED}


@dataclass(frozen=True)
class Evidence:
    posts: Sequence[Post]
    schedule: Schedule
    published: Collection[str] = ()  # the keys of what was committed
    older: Mapping[int, Collection[str]] = field(default_factory=dict)  # published before a webhook
    secrets: Mapping[int, Sequence[Secret]] = field(default_factory=dict)  # a webhook's, ever
    places: Mapping[str, bytes] = field(default_factory=dict)  # where else to look for secrets
    deletions: Mapping[int, datetime] = field(default_factory=dict)  # when each call had returned
    healthy: Collection[str] = ()  # URLs that always answer
    set_back: timedelta = timedelta()  # how far the clock was set back in all
    keep: timedelta | None = None  # how long what is settled or parked is kept
    history: History = field(default_factory=History)

    @cached_property
    def posts_of(self) -> dict[UUID | None, list[Post]]:
        found = defaultdict(list)
        for post in self.posts:
            found[post.delivery].append(post)
        return found

    def known(self) -> Iterator[tuple[Row, list[Post], list[Row]]]:
        """Each delivery, with its POSTs and its attempt log."""
        for uuid, delivery in self.history.deliveries.items():
            yield delivery, self.posts_of.get(uuid, []), self.history.attempts[delivery.id]

    def unknown(self) -> Iterator[Post]:
        """The POSTs whose deliveries are not in the tables."""
        for uuid, posts in self.posts_of.items():
            if uuid not in self.history.deliveries:
                yield from posts


def was_accepted(attempt: Row) -> bool:
    return is_success(attempt.http_status)


def is_in_a_pause(
    at: datetime, delivery: Row, evidence: Evidence, committing: timedelta = timedelta()
) -> bool:
    pauses = evidence.history.pauses.get(delivery.webhook, ())
    return any(since + committing <= at < until for since, until in pauses)
