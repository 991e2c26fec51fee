"""When each webhook is to be looked at: `webhook.ready_at`, which is all that a pass reads of it.

It is never later than the earliest due time of the webhook's deliveries that wait and may be sent,
and NULL where nothing is to be looked at: none waits, it was deleted, its business is switched off,
or it is paused. While nothing may be sent before a moment, `webhook.not_before`, it is that moment
where that is later than what is due. Of a paused webhook only what its owner sent on purpose may be
sent, a test: what belongs to an event that was made for this webhook alone, and is no alert. Too
early a time costs a look; too late a one would be a delivery forgotten. So anybody may lower it,
and it is raised with care:

- Who makes a delivery due, or due earlier, holds the webhook's row against being raised: by the
  foreign key where it inserts, by `pin` where it changes. In a later statement it lowers the time.
- Who raises it locks the row against both, passing over what is held already. In a later statement,
  which sees whatever was committed before that lock, it asks for the earliest due time.

Rows are locked in the order of their ids, webhooks before deliveries.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from peewee import SQL

from core.storage.database import is_postgres, one_of
from core.storage.models import Business, Webhook, entitled, row_lock

LAG = timedelta(seconds=1)
"""How far the time may lag behind: so a webhook's row is written twice in this time at the most,
however many deliveries it has.
"""

_webhook = Webhook.alias("webhook")  # as the SQL below calls it

ON_PURPOSE = """event CROSS JOIN delivery AS due
    WHERE event.webhook_id = webhook.id AND due.event_id = event.id
    AND due.webhook_id = webhook.id AND due.due_at IS NOT NULL
    AND COALESCE(event.purpose, '') <> 'alert'"""
"""SQL for the waiting deliveries, called `due`, of what the owner of `webhook` sent on purpose."""


def _earliest_due(since: str) -> str:
    """SQL for the earliest due time, from `since` on, of the deliveries of `webhook` that wait and
    may be sent.

    Whatever was due before is not walked again: while somebody holds an old snapshot, PostgreSQL
    must keep all that was ever in the index.
    """
    first = f"""SELECT * FROM (
        SELECT due_at FROM delivery WHERE webhook_id = webhook.id AND status = '{{0}}'
        AND due_at IS NOT NULL AND due_at >= {since} ORDER BY due_at LIMIT 1
    ) AS {{0}}"""
    firsts = " UNION ALL ".join(first.format(status) for status in ("pending", "failed"))
    return f"""CASE WHEN webhook.paused_at IS NULL
        THEN (SELECT MIN(due_at) FROM ({firsts}) AS firsts)
        ELSE (SELECT MIN(due.due_at) FROM {ON_PURPOSE} AND due.due_at >= {since}) END"""


def _not_before(due: str) -> str:
    """SQL for when what is due then may be sent."""
    return f"CASE WHEN webhook.not_before > {due} THEN webhook.not_before ELSE {due} END"


def next_start(since: str) -> str:
    """SQL for when something of `webhook` may be sent next, of what is due from `since` on."""
    first = f"(SELECT {_earliest_due(since)} AS due_at) AS first"
    return f"(SELECT {_not_before('first.due_at')} FROM {first})"


DUE_FROM = "CASE WHEN webhook.not_before >= webhook.ready_at THEN 0 ELSE webhook.ready_at END"
"""SQL for the time before which nothing of `webhook` is due: what may not be sent yet may have been
due for long.
"""

_NEXT = next_start(DUE_FROM)
# The least of both, for somebody may lower the time while this waits for the row.
_SOONER = f"""(
    SELECT MIN(due) FROM (
        SELECT webhook.ready_at AS due UNION ALL SELECT {next_start("0")}
    ) AS both_times
)"""
_LAGS = f"COALESCE({_NEXT} > webhook.ready_at + {LAG // timedelta(microseconds=1)}, TRUE)"


def pin(webhook_ids: Collection[int]) -> None:
    """Keep everybody from raising these webhooks' times, until this transaction ends."""
    if is_postgres() and webhook_ids:
        held = Webhook.select(Webhook.id).where(one_of(Webhook.id, webhook_ids))
        row_lock(held.order_by(Webhook.id)).tuples().execute()


def lower(webhook_ids: Collection[int], due_at: datetime) -> None:
    """Have these looked at by `due_at`: something of them has just been made due then. A paused one
    only where that was sent on purpose.
    """
    if not webhook_ids:
        return
    due_us = Webhook.ready_at.db_value(due_at)
    is_sent_to = _webhook.paused_at.is_null() | SQL(
        f"EXISTS (SELECT 1 FROM {ON_PURPOSE} AND due.due_at <= {due_us})"
    )
    start = SQL(_not_before(str(due_us)))
    is_late = _webhook.ready_at.is_null() | (_webhook.ready_at > start)
    late = _webhook.select(_webhook.id).where(
        one_of(_webhook.id, webhook_ids) & _webhook.deleted_at.is_null() & is_late & is_sent_to
    )
    ids = [row[0] for row in row_lock(late.order_by(_webhook.id)).tuples()]
    if ids:
        Webhook.update(ready_at=start).where(one_of(Webhook.id, ids)).execute()


def raise_up(webhook_ids: Collection[int], due_by: datetime) -> None:
    """Have these looked at when the next of them is due; never, where nothing waits.

    Not those that hardly lag behind `due_by`, and not those whose rows are held: another time.
    """
    if not webhook_ids:
        return
    lagging = (
        _webhook.select(_webhook.id)
        .where(one_of(_webhook.id, webhook_ids) & (_webhook.ready_at < due_by - LAG) & SQL(_LAGS))
        .order_by(_webhook.id)
    )
    if is_postgres():
        lagging = lagging.for_update(skip_locked=True)
    ids = [row[0] for row in lagging.tuples()]
    if ids:
        Webhook.update(ready_at=SQL(_NEXT)).where(one_of(Webhook.id, ids)).execute()


def rest(webhook_ids: Collection[int]) -> None:
    """Have nothing of these looked at, whatever waits."""
    shut_out(webhook_ids)
    Webhook.update(ready_at=None).where(one_of(Webhook.id, webhook_ids)).execute()


def shut_out(webhook_ids: Collection[int]) -> None:
    """Let nobody else make something of these due until this transaction ends, and wait for whoever
    is at it: what that lowers may have to be undone, and what it leaves as it is must be seen.
    """
    which = Webhook.select(Webhook.id).where(one_of(Webhook.id, webhook_ids)).order_by(Webhook.id)
    if is_postgres():
        which.for_update().tuples().execute()


def reckon(webhook_ids: Collection[int]) -> None:
    """Have these looked at when something of them may be sent next. Who made something due, or
    might, must be shut out.
    """
    Webhook.update(ready_at=SQL(next_start("0"))).where(one_of(Webhook.id, webhook_ids)).execute()


def wake(webhook_ids: Collection[int]) -> None:
    """Have what waits of these looked at, however long it has waited."""
    stands = one_of(Webhook.id, webhook_ids) & Webhook.deleted_at.is_null()
    Webhook.update(ready_at=SQL(_SOONER)).where(stands).execute()


def looked_at_too_late(webhook_ids: Collection[int]) -> list[int]:
    """Those of these webhooks that may be sent something before they are looked at."""
    is_late = SQL(f"{next_start('0')} < COALESCE(webhook.ready_at, {2**63 - 1})")
    found = _webhook.select(_webhook.id).where(
        one_of(_webhook.id, webhook_ids)
        & _webhook.business.in_(Business.select(Business.id).where(entitled()))
        & is_late
    )
    return [row[0] for row in found.tuples()]
