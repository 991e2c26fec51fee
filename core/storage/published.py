"""What was published, page by page and in order, and how far that order is final."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from peewee import Expression, ModelSelect, fn

from core.domain.delivery import Status
from core.storage.bisection import first_id_since
from core.storage.database import is_postgres, proxy
from core.storage.models import Attempt, Delivery, Event, accepted

_PAGE_EVENTS = 5_000
_PAGE_BYTES = 4 * 2**20  # of payloads, which vary: so many of the largest would be 256 MB

# An event that a worker has fanned out had its id before that worker's transaction had a number
# (see `drawn`), so whatever is published under a greater number has a greater id: the column's
# default gives the transaction its number before it draws an id. `xmin` is the number of whoever
# wrote a row last; `age` compares two such numbers, which wrap around.
_FANNED_OUT_BEFORE = """
    SELECT id FROM event
    WHERE fanned_out_at IS NOT NULL AND age(xmin) > age(CAST(CAST(%s AS TEXT) AS XID))
    ORDER BY id DESC LIMIT 1
"""
# From there on, only as far as no id is missing: a missing one may belong to an open transaction.
_WITHOUT_A_HOLE = """
    SELECT max(id) FROM (
        SELECT id, id - row_number() OVER (ORDER BY id) AS missing FROM event WHERE id > %s
    ) AS younger WHERE missing = %s
"""
# The number is given once the statement has begun, and so after whatever drew an id up to the last
# one that it sees. The snapshot alone cannot tell: of a number above the highest that has ended it
# does not know whether anybody has it.
_DRAWN = """
    SELECT last, txid_snapshot_xmin(txid_current_snapshot()),
           CASE WHEN last > %s THEN txid_current() END
    FROM (SELECT coalesce(max(id), 0) AS last FROM event) AS events
"""
_XIDS = 2**32

_PAGE = """
    SELECT id, length(payload) AS size FROM event
    WHERE business_id = {here} AND id > {here} AND id <= {here} ORDER BY id LIMIT {most}
"""
_WHOLE_PAGE = f"SELECT max(id), sum(size) FROM ({_PAGE}) AS page"
_PART_OF_PAGE = f"""
    SELECT coalesce(max(CASE WHEN so_far <= {{bytes}} THEN id END), min(id)) FROM (
        SELECT id, sum(size) OVER (ORDER BY id) AS so_far FROM ({_PAGE}) AS page
    ) AS sized
"""


class Published(NamedTuple):
    """One event as it was published."""

    cursor: int  # its id
    business_id: int
    event: str
    created_us: int  # microseconds since 1970
    payload: bytes
    digest: int | None  # see payload.is_intact
    delivery_id: UUID | None = None  # this and the next one: of what a webhook did not get
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some of them in order, as the engine's driver has them: to make an object of each costs as
    much as reading them does, and more than to take what is needed of them by the column.
    """

    rows: Sequence[Sequence[Any]] = ()  # with the columns of `Published`, or the first six of them

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Published]:
        return starmap(Published, self.rows)

    def column(self, name: str) -> Iterator[Any]:
        return map(itemgetter(Published._fields.index(name)), self.rows)


class Drawn(NamedTuple):
    """Which events PostgreSQL had at a moment, and who might still draw an id or had one."""

    latest: int  # the greatest id that is committed
    oldest_open: int  # no transaction with a lower number than this is open
    number: int | None  # of this transaction: whoever has an id up to `latest` has a lower one

    def is_final(self, oldest_open: int) -> bool:
        """Whether no event up to `latest` can appear any more: who could commit one has ended."""
        return self.number is not None and oldest_open >= self.number


def drawn(*, beyond: int = -1) -> Drawn:
    """How far that is now, on PostgreSQL. Where there is an event beyond that id, this transaction
    gets its number.

    A fan-out asks before it locks anything, and takes no events with greater ids. So everything
    that it fans out had its id before its transaction had a number, on which `final_to` relies.
    """
    return Drawn(*proxy.execute_sql(_DRAWN, (beyond,)).fetchone())


def final_to() -> int:
    """The id up to which no event can appear any more that we do not see now.

    SQLite's writers take turns. PostgreSQL gives out ids before transactions end, which they do in
    any order: up to this id each event is committed, or never will be.
    """
    if not is_postgres():
        return latest()
    before = drawn()
    oldest = drawn(beyond=before.latest).oldest_open
    if before.is_final(oldest):
        return before.latest
    found = proxy.execute_sql(_FANNED_OUT_BEFORE, (oldest % _XIDS,)).fetchone()
    begin = found[0] if found is not None else 0
    [end] = proxy.execute_sql(_WITHOUT_A_HOLE, (begin, begin)).fetchone()
    return int(begin if end is None else end)


def latest() -> int:
    """The id of the latest event."""
    [event_id] = proxy.execute_sql("SELECT coalesce(max(id), 0) FROM event").fetchone()
    return int(event_id)


def first_pending(business_id: int, *, checked_too: bool) -> int | None:
    """The id of the business's first event that is not fanned out yet. Without `checked_too`, only
    of those that came straight from another program, and that nobody has looked at.
    """
    pending = (Event.business == business_id) & Event.fanned_out_at.is_null()
    if not checked_too:
        pending &= Event.digest.is_null()
    first: int | None = Event.select(fn.MIN(Event.id)).where(pending).scalar()
    return first


def first_since(moment: datetime) -> int:
    """The id from which on events were published then or later, as far as ids rise with time."""
    return first_id_since(Event.created_at, moment)


def page_end(business_id: int, after: int, to: int) -> int | None:
    """The id of the last event of the page that follows `after`; None where nothing does."""
    end: int | None
    limits = {"here": proxy.param, "most": _PAGE_EVENTS, "bytes": _PAGE_BYTES}
    which = business_id, after, to
    end, size = proxy.execute_sql(_WHOLE_PAGE.format(**limits), which).fetchone()
    if end is not None and size > _PAGE_BYTES:  # rarely: a sum that runs costs twice as much
        [end] = proxy.execute_sql(_PART_OF_PAGE.format(**limits), which).fetchone()
    return end


def events_between(business_id: int, after: int, to: int, which: Expression) -> Page:
    """Those beyond `after` and up to `to` that were for every webhook, in order."""
    return Page(_rows(_published(business_id, after, to, which)))


def undelivered_between(
    business_id: int, webhook_id: int, after: int, to: int, which: Expression
) -> Page:
    """The same of those that were made for this webhook and that it never answered with a 2xx."""
    success = Attempt.select(Attempt.id).where(
        (Attempt.delivery == Delivery.id) & accepted(Attempt)
    )
    made = (Delivery.event == Event.id) & (Delivery.webhook == webhook_id)
    query = (
        _published(business_id, after, to, which, Delivery.uuid, Delivery.status)
        .join(Delivery, on=made)
        .where((Delivery.status != Status.DELIVERED) & ~fn.EXISTS(success))
    )
    to_id = Delivery.uuid.python_value
    return Page([(*event, to_id(uuid), status) for *event, uuid, status in _rows(query)])


def _published(business_id: int, after: int, to: int, which: Expression, *more: Any) -> ModelSelect:
    return (
        Event.select(
            Event.id,
            Event.business,
            Event.type,
            Event.created_at,
            Event.payload,
            Event.digest,
            *more,
        )
        .where(
            (Event.business == business_id)
            & (Event.id > after)
            & (Event.id <= to)
            & Event.webhook.is_null()
            & Event.refused.is_null()
            & which
        )
        .order_by(Event.id)
    )


def _rows(query: ModelSelect) -> Sequence[Sequence[Any]]:
    """Straight from the engine's driver: peewee's own rows take three times as long."""
    rows: Sequence[Sequence[Any]] = proxy.execute(query).fetchall()
    return rows
