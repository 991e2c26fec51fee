"""How webhooks stand: what is looked up about each of them right before something is sent to it."""

from collections.abc import Collection, Iterable, Sequence
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
