"""When each webhook is to be looked at: `webhook.ready_at`, which is all that a pass reads of it.

It is never later than the earliest due time of the webhook's waiting deliveries that may be sent.
It is NULL where there is nothing to look at: none waits, the webhook was deleted or paused, or its
business is switched off. Where nothing may be sent before `webhook.not_before`, and that is later,
it is that moment. To a paused webhook only what its owner sent on purpose may be sent, such as a
test: a delivery of an event that was made for this webhook alone, and that is no alert.

A time that is too early costs one look; with one that is too late a delivery would be forgotten. So
anybody may lower the time, and raising it needs care:

- Whoever makes a delivery due, or due earlier, keeps the webhook's row from being raised: by the
  foreign key where it inserts, by `pin` where it changes. It lowers the time in a later statement.
- Whoever raises the time locks the row against both, and skips rows that are locked already. In a
  later statement, which sees all that was committed before that lock, it asks for the earliest due
  time.

Rows are locked in the order of their ids, webhooks before deliveries.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from peewee import SQL, Case, NodeList

from core.storage.built import built_once
from core.storage.database import is_postgres, one_of
from core.storage.models import Business, Webhook, entitled, row_lock

LAG = timedelta(seconds=1)
"""How far the time may lag behind. So a webhook's row is written twice in this time at the most,
however many deliveries it has.
"""

_webhook = Webhook.alias("webhook")  # as the SQL below calls it

ON_PURPOSE = """event CROSS JOIN delivery AS due
    WHERE event.webhook_id = webhook.id AND due.event_id = event.id
    AND due.webhook_id = webhook.id AND due.due_at IS NOT NULL
    AND COALESCE(event.purpose, '') <> 'alert'"""
"""SQL for the waiting deliveries, named `due`, of what the owner of `webhook` sent on purpose."""


def _earliest_due(since: str) -> str:
    """SQL for the earliest due time, from `since` on, of the waiting deliveries of `webhook` that
    may be sent.

    What was due before is not walked through again: while somebody holds an old snapshot,
    PostgreSQL must keep everything that was ever in the index.
    """
    first = f"""SELECT * FROM (
        SELECT due_at FROM delivery WHERE webhook_id = webhook.id AND status = '{{0}}'
        AND due_at IS NOT NULL AND due_at >= {since} ORDER BY due_at LIMIT 1
    ) AS {{0}}"""
    firsts = " UNION ALL ".join(first.format(status) for status in ("pending", "failed"))
    return f"""CASE WHEN webhook.paused_at IS NULL
        THEN (SELECT MIN(due_at) FROM ({firsts}) AS firsts)
        ELSE (SELECT MIN(due.due_at) FROM {ON_PURPOSE} AND due.due_at >= {since}) END"""


def next_start(since: str) -> str:
    """SQL for when something of `webhook` may be sent next, of what is due from `since` on."""
    first = f"(SELECT {_earliest_due(since)} AS due_at) AS first"
    start = """CASE WHEN webhook.not_before > first.due_at
        THEN webhook.not_before ELSE first.due_at END"""
    return f"(SELECT {start} FROM {first})"


DUE_FROM = "CASE WHEN webhook.not_before >= webhook.ready_at THEN 0 ELSE webhook.ready_at END"
"""SQL for the time from which on deliveries of `webhook` may be due. Where nothing could be sent
for a while, they may have been due for long.
"""

_NEXT = next_start(DUE_FROM)
# The earlier of both, since somebody may lower the time while this waits for the row.
_SOONER = f"""(
    SELECT MIN(due) FROM (
        SELECT webhook.ready_at AS due UNION ALL SELECT {next_start("0")}
    ) AS both_times
)"""
_LAGS = f"COALESCE({_NEXT} > webhook.ready_at + {LAG // timedelta(microseconds=1)}, TRUE)"


def pin(webhook_ids: Collection[int]) -> None:
    """Keep everybody from raising the times of these webhooks until this transaction ends."""
    if is_postgres() and webhook_ids:
        _pin(webhook_ids)


@built_once
def _pin(webhook_ids: Collection[int]) -> Any:
    held = Webhook.select(Webhook.id).where(one_of(Webhook.id, webhook_ids))
    return row_lock(held.order_by(Webhook.id))


def lower(webhook_ids: Collection[int], due_at: datetime) -> None:
    """Have these webhooks looked at by `due_at`, since something of theirs has just been made due
    then. Of a paused webhook, only where that was sent on purpose.
    """
    if not webhook_ids:
        return
    late = dict(_late(webhook_ids, due_at).fetchall())
    paused = [webhook_id for webhook_id, is_paused in late.items() if is_paused]
    sent_to = {each for (each,) in _sent_to_on_purpose(paused, due_at)} if paused else set()
    ids = [webhook_id for webhook_id in late if not late[webhook_id] or webhook_id in sent_to]
    if ids:
        pin(ids)
        _lower(ids, due_at)


@built_once
def _late(webhook_ids: Collection[int], due_at: datetime) -> Any:
    return Webhook.select(Webhook.id, ~Webhook.paused_at.is_null()).where(
        one_of(Webhook.id, webhook_ids) & Webhook.deleted_at.is_null() & _is_late(due_at)
    )


@built_once
def _sent_to_on_purpose(webhook_ids: Collection[int], due_at: datetime) -> Any:
    sent = (SQL(f"EXISTS (SELECT 1 FROM {ON_PURPOSE} AND due.due_at <="), due_at, SQL(")"))
    return _webhook.select(_webhook.id).where(one_of(_webhook.id, webhook_ids) & NodeList(sent))


@built_once
def _lower(webhook_ids: Collection[int], due_at: datetime) -> Any:
    late = one_of(Webhook.id, webhook_ids) & _is_late(due_at)
    return Webhook.update(ready_at=_start(due_at)).where(late)


def _is_late(due_at: datetime) -> Any:
    return Webhook.ready_at.is_null() | (Webhook.ready_at > _start(due_at))


def _start(due_at: datetime) -> Any:
    """When something of a webhook that is due then may be sent."""
    return Case(None, [(Webhook.not_before > due_at, Webhook.not_before)], due_at)


def raise_up(webhook_ids: Collection[int], due_by: datetime) -> None:
    """Have these webhooks looked at when their next delivery is due, or never where nothing waits.

    Leaves out those that hardly lag behind `due_by`, and those whose rows are locked: they have
    their turn another time.
    """
    if webhook_ids:
        ids = [webhook_id for (webhook_id,) in _lagging(webhook_ids, due_by - LAG)]
        if ids:
            _raise_up(ids)


@built_once
def _lagging(webhook_ids: Collection[int], behind: datetime) -> Any:
    lagging = (
        _webhook.select(_webhook.id)
        .where(one_of(_webhook.id, webhook_ids) & (_webhook.ready_at < behind) & SQL(_LAGS))
        .order_by(_webhook.id)
    )
    return lagging.for_update(skip_locked=True) if is_postgres() else lagging


@built_once
def _raise_up(webhook_ids: Collection[int]) -> Any:
    return Webhook.update(ready_at=SQL(_NEXT)).where(one_of(Webhook.id, webhook_ids))


def rest(webhook_ids: Collection[int]) -> None:
    """Have nothing of these webhooks looked at, whatever waits."""
    shut_out(webhook_ids)
    Webhook.update(ready_at=None).where(one_of(Webhook.id, webhook_ids)).execute()


def shut_out(webhook_ids: Collection[int]) -> None:
    """Let nobody else make something of these webhooks due until this transaction ends, and wait
    for those who are doing so. What they lower may have to be undone, and what they leave must be
    seen.
    """
    which = Webhook.select(Webhook.id).where(one_of(Webhook.id, webhook_ids)).order_by(Webhook.id)
    if is_postgres():
        which.for_update().tuples().execute()


def reckon(webhook_ids: Collection[int]) -> None:
    """Have these webhooks looked at when something of theirs may be sent next. Whoever could make
    something of them due must be shut out.
    """
    Webhook.update(ready_at=SQL(next_start("0"))).where(one_of(Webhook.id, webhook_ids)).execute()


def wake(webhook_ids: Collection[int]) -> None:
    """Have the waiting deliveries of these webhooks looked at, however long they have waited."""
    stands = one_of(Webhook.id, webhook_ids) & Webhook.deleted_at.is_null()
    pin(webhook_ids)
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
