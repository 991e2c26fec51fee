"""How webhooks stand: what is looked up about each of them right before something is sent to it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from core.storage.database import is_one_of, proxy
from core.storage.models import TimeField

if TYPE_CHECKING:
    from core.storage.asking import Asking

_time = TimeField()


class Terms(NamedTuple):
    """The terms on which a webhook's deliveries are claimed. They must not have changed when one is
    sent.
    """

    url: str
    sealed_secret: bytes
    standard_webhooks: bool
    headers: str | None  # its own headers, as its row has them
    held_until: datetime | None
    pace: str | None


class Standing(NamedTuple):
    """A webhook and its business as they are now."""

    terms: Terms
    is_paused: bool
    edition: str  # an editions.Edition
    option: bool


def standing(webhook_ids: Collection[int]) -> dict[int, Standing]:
    """Those of these webhooks that were not deleted, by their ids."""
    condition, value = is_one_of(webhook_ids)
    rows = proxy.execute_sql(f"{_STANDING} AND webhook.id {condition}", (value,))
    return _by_id(rows.fetchall())


class Standings:
    """The same for an event loop, which asks PostgreSQL itself and is not held up by waiting."""

    def __init__(self, asking: "Asking") -> None:
        self._asking = asking

    @classmethod
    async def open(cls) -> "Standings | None":
        """None where a pooler stands between. Raises what the driver raises, as `of` does, after
        which nothing more is answered.
        """
        from core.storage.asking import Asking  # noqa: PLC0415 - its driver is an extra

        asking = await Asking.open(proxy.obj.database, f"{_STANDING} AND webhook.id = ANY($1)")
        return None if asking is None else cls(asking)

    async def of(self, webhook_ids: Collection[int]) -> dict[int, Standing]:
        return _by_id(await self._asking.ask(webhook_ids))

    def close(self) -> None:
        self._asking.close()


def _by_id(rows: Iterable[Sequence[Any]]) -> dict[int, Standing]:
    return {row[0]: _read(row[1:]) for row in rows}


class Memory:
    """How webhooks stood when they were last read, for as long as nobody has committed since. It is
    for one thread on SQLite, which says in a sixth of a read's time whether anybody has.
    """

    def __init__(self) -> None:
        self._read_at: tuple[object, ...] = ()
        self._known: dict[int, Standing | None] = {}

    def known(self) -> Mapping[int, Standing | None]:
        """Those that need not be read again, by their ids; None for one that was deleted."""
        read_at = _state()
        if read_at != self._read_at:
            self._read_at, self._known = read_at, {}
        return self._known

    def standing(self, webhook_ids: Collection[int]) -> Mapping[int, Standing | None]:
        """Those of these webhooks, and perhaps others, read as far as they must be."""
        unknown = webhook_ids - self.known().keys()
        if unknown:
            self._known |= dict.fromkeys(unknown) | standing(unknown)
        return self._known


def _state() -> tuple[object, ...]:
    """What is the same again only while nothing has changed: others' commits change the first
    number, our own writes the second.
    """
    ours = proxy.connection()
    return ours, ours.execute("PRAGMA data_version").fetchone()[0], ours.total_changes


# Written out: on SQLite, building this query takes ten times as long as running it.
_STANDING = """
    SELECT webhook.id, webhook.url, webhook.secret, webhook.standard_webhooks, webhook.headers,
        webhook.held_until, webhook.pace, webhook.paused_at IS NOT NULL,
        business.edition, business.option
    FROM webhook JOIN business ON business.id = webhook.business_id
    WHERE webhook.deleted_at IS NULL
"""


def _read(row: Sequence[Any]) -> Standing:
    url, secret, standard_webhooks, headers, held_us, pace, is_paused, edition, option = row
    held_until = _time.python_value(held_us)
    terms = Terms(url, bytes(secret), bool(standard_webhooks), headers, held_until, pace)
    return Standing(terms, bool(is_paused), edition, bool(option))
