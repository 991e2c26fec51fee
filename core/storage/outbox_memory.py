"""What a worker remembers of the outbox from one look at it to the next, on PostgreSQL.

While anybody holds an old snapshot, as `pg_dump` does, the index of the outbox keeps an entry of
each event that has been in it since, and whoever asks what is there walks through all of them. So a
worker remembers which businesses have events there, and from which id on, and reads only events
beyond one that is final: up to it none can appear any more, since all who drew such ids have ended.

It forgets all that with its connection, since a server that crashes takes back the latest fan-outs,
and once a minute, so that whatever nobody has thought of is found then. Until something is final
again, which no snapshot hinders but a transaction that writes, it asks for all there is. So it does
behind a pooler, where a connection outlives the server.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from core.storage import outbox, published
from core.storage.database import as_table, is_postgres, proxy
from core.storage.models import ENTITLED
from core.storage.published import Drawn

_LASTS = timedelta(seconds=50)  # less than the time between two ticks
_MOST_READ = 5_000  # ids: more are not worth reading one by one
_AT_A_TIME = 200  # businesses; those that are switched off cost their share of a statement too

# The inner query is planned by itself, along the table's ids: the index of the outbox is long.
_BEYOND = """
    SELECT business_id, min(id) FROM (
        SELECT business_id, id, fanned_out_at FROM event WHERE id > %s AND id <= %s OFFSET 0
    ) AS beyond
    WHERE fanned_out_at IS NULL GROUP BY business_id
"""
_FIRSTS = f"""
    SELECT business.id, (
        SELECT id FROM event
        WHERE business_id = business.id AND fanned_out_at IS NULL AND id >= known.first
        ORDER BY id LIMIT 1
    )
    FROM {{known}} AS known(business_id, first)
    JOIN business ON business.id = known.business_id
    WHERE {ENTITLED}
"""


class OutboxMemory:
    """One worker's, for fan-outs that are transactions of their own. At first it is empty."""

    def __init__(self) -> None:
        self._forget(None)

    def _forget(self, now: datetime | None) -> None:
        self._since = now
        self._session: object = None  # another one may be to a server that has crashed since
        self._final = -1  # an event's id; -1 where none is known to be
        self._mark: Drawn | None = None  # what is to become final next
        self._firsts = dict[int, int]()  # businesses, and the id that none of their events precedes

    def look(self, after: int, limit: int, now: datetime) -> tuple[int, dict[int, int]]:
        """The latest event, and what `pending_businesses` says, with an id for each business that
        none of its events in the outbox precedes. Asked first in a transaction: see
        `published.drawn`.
        """
        remembers = is_postgres() and not proxy.is_pooled
        latest = self._take_in(now) if remembers else published.latest()
        if not remembers or self._final < 0:
            return latest, dict.fromkeys(outbox.pending_businesses(after, limit), outbox.LEAST)
        return latest, dict(islice(self._pending(after), limit))

    def _take_in(self, now: datetime) -> int:
        """Take in what has come since the last look; returns the latest event."""
        drawn = published.drawn(beyond=self._mark.latest if self._mark else self._final)
        if not self._holds(now, drawn.latest):
            self._forget(now)
            self._session = proxy.session
        is_final = self._mark is not None and self._mark.is_final(drawn.oldest_open)
        if self._final >= 0:
            self._read_on(drawn.latest)
        elif is_final:
            self._firsts = dict.fromkeys(outbox.all_pending_businesses(), outbox.LEAST)
        if self._mark is not None and is_final:
            self._final, self._mark = self._mark.latest, None
        if self._mark is None and drawn.number is not None:
            self._mark = drawn
        return drawn.latest

    def _holds(self, now: datetime, latest: int) -> bool:
        if self._since is None or not timedelta() <= now - self._since < _LASTS:
            return False
        is_near = self._final < 0 or 0 <= latest - self._final <= _MOST_READ
        return is_near and self._session is proxy.session

    def _read_on(self, latest: int) -> None:
        if latest == self._final:
            return
        for business_id, first in proxy.execute_sql(_BEYOND, (self._final, latest)).fetchall():
            self._firsts[business_id] = min(first, self._firsts.get(business_id, first))

    def _pending(self, after: int) -> Iterator[tuple[int, int]]:
        """Each business that may have webhooks, and its first event. Forgets those without one."""
        turns = sorted(self._firsts, key=lambda business_id: (business_id <= after, business_id))
        for start in range(0, len(turns), _AT_A_TIME):
            asked = turns[start : start + _AT_A_TIME]
            firsts = self._first_events(asked)
            for business_id in filter(firsts.__contains__, asked):
                first = firsts[business_id]
                if first is None:
                    del self._firsts[business_id]
                else:
                    self._firsts[business_id] = first
                    yield business_id, first

    def _first_events(self, businesses: Sequence[int]) -> dict[int, int | None]:
        known = [(each, self._firsts[each]) for each in businesses]
        table, values = as_table(("int", "bigint"), known)
        return dict(proxy.execute_sql(_FIRSTS.format(known=table), values).fetchall())
