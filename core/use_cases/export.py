"""Everything that was published, in order and in little memory: for a job that fetches it again."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import chain, islice
from operator import attrgetter

from peewee import Expression

from core.domain.actors import Actor
from core.domain.events import SELECTABLE, EventType
from core.errors import BadInput
from core.pipeline.retention import record_export
from core.storage import published
from core.storage.database import connection, transaction
from core.storage.models import EPOCH, Event
from core.storage.published import Page
from core.use_cases.access import authorize, find_webhook
from core.use_cases.audit import note

_OVERLAP = timedelta(days=1)  # ids rise with time, except by clocks that were off by less than this

_MERGED_AT_ONCE = 500  # events


@dataclass(frozen=True, slots=True)
class Span:
    """Which events are exported: those that meet everything given here."""

    since: datetime | None = None
    until: datetime | None = None  # exclusive
    after: int | None = None  # a cursor
    event: EventType | None = None
    undelivered: int | None = None  # the id of a webhook; what it never answered with a 2xx

    def __str__(self) -> str:
        told = {
            "since": self.since and f"{self.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            "until": self.until and f"{self.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            "after": self.after,
            "event": self.event,
            "undelivered": self.undelivered,
        }
        return ", ".join(f"{name} {value}" for name, value in told.items() if value is not None)


def export(
    actor: Actor,
    business_ids: Collection[int],
    span: Span,
    now: datetime,
    *,
    check: Callable[[], None] = lambda: None,
) -> Iterator[Page]:
    """The events in `span` of these businesses, or of the business whose webhook did not get them.
    They come by cursor, in pages, and the audit trail notes the export.

    It ends with what was published when it began, and before the oldest transaction that was open
    then. So an export that goes on after the last cursor leaves no gap and repeats nothing. Between
    two pages no transaction is open; each page begins with `check`, and with a look whether the
    actor may still see it.

    Raises BadInput where no beginning is given, NotFound, NotAllowed, and whatever `check` raises.
    """
    if span.since is None and span.after is None:
        raise BadInput("Say where to begin: --since 8d, or --after with the last cursor you have.")
    with connection():
        final = published.final_to()
        to = _end(span, final, now)
        if span.undelivered is not None:
            business_ids = [find_webhook(actor, span.undelivered).business_id]
    with transaction():
        for business_id in business_ids:
            authorize(actor, business_id)
            _note(actor, business_id, span, now)
        record_export(final, now)
    each = [_pages(actor, business_id, span, to, check) for business_id in business_ids]
    return each[0] if len(each) == 1 else _merged(each)


def _note(actor: Actor, business_id: int, span: Span, now: datetime) -> None:
    note(actor, business_id, "exported", now, webhook_id=span.undelivered, subject=str(span))


def _merged(each: Collection[Iterator[Page]]) -> Iterator[Page]:
    events = merge(*map(chain.from_iterable, each), key=attrgetter("cursor"))
    while rows := list(islice(events, _MERGED_AT_ONCE)):
        yield Page(rows)


def _end(span: Span, final: int, now: datetime) -> int:
    if span.until is None or span.until >= now:
        return final
    return min(final, published.first_since(span.until + _OVERLAP) - 1)


def _pages(
    actor: Actor, business_id: int, span: Span, to: int, check: Callable[[], None]
) -> Iterator[Page]:
    at: int | None = _begin(span)
    while at is not None:
        check()
        with connection():
            authorize(actor, business_id)
            page, at = _page(actor, business_id, span, at, to)
        yield page


def _begin(span: Span) -> int:
    """The id after which the first page begins."""
    begin = span.after or 0
    if span.since is None or span.since <= EPOCH:
        return begin
    with connection():
        return max(begin, published.first_since(span.since - _OVERLAP) - 1)


def _page(
    actor: Actor, business_id: int, span: Span, after: int, to: int
) -> tuple[Page, int | None]:
    """The next page, and the id after which the one behind it begins; None after the last page."""
    if span.undelivered is not None:
        find_webhook(actor, span.undelivered)
    pending = published.first_pending(business_id, checked_too=span.undelivered is not None)
    to = to if pending is None else min(to, pending - 1)
    end = published.page_end(business_id, after, to)
    if end is None:
        return Page(), None
    if span.undelivered is None:
        page = published.events_between(business_id, after, end, _which(span))
    else:
        page = published.undelivered_between(
            business_id, span.undelivered, after, end, _which(span)
        )
    return page, end


def _which(span: Span) -> Expression:
    which: Expression = Event.type.in_(SELECTABLE if span.event is None else (span.event,))
    if span.since is not None:
        which &= Event.created_at >= span.since
    if span.until is not None:
        which &= Event.created_at < span.until
    return which
