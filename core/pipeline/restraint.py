"""Webhooks that are not sent to as fast as possible: paused ones, those with a pace, and those
whose receiver has asked to be left alone for a while.

Whoever claims for a webhook with a pace reserves the starts on the webhook's row, up to two seconds
ahead. Where the pace is slow, one delivery at a time is sent: the next start follows from how the
last one went.

A hold begins with an answer. Until it is over nothing is sent. After that one delivery at a time is
sent, until one is accepted.

Where one at a time is sent, each claim of one takes the webhook out of all passes for as long as
the lease lasts at the least, and settling it, or giving it back, brings the webhook back.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from core.domain.pace import AHEAD, Start, goes_alone, room, window
from core.storage.database import one_of
from core.storage.due import Due
from core.storage.holds import begin_hold, bring_forward, go_on
from core.storage.models import Webhook, row_lock


class Restraint(NamedTuple):
    """What restrains a webhook while it is claimed for."""

    is_paused: bool
    held_until: datetime | None
    pace: str | None
    paced_to: datetime | None
    room: int  # how many deliveries may be claimed

    @property
    def goes_alone(self) -> bool:
        """Whether one delivery is sent at a time."""
        return self.held_until is not None or (self.pace is not None and goes_alone(self.pace))


class Heard(NamedTuple):
    """What one attempt that has ended, or was not made, says about when the next one may be."""

    webhook_id: int
    held_until: datetime | None  # the webhook's, when the attempt was claimed
    asked_until: datetime | None  # until when the answer asked for nothing more
    accepted: bool
    start: Start | None  # that was reserved for it
    sent_at: datetime | None
    ended_at: datetime


def restraints(wanted: Mapping[int, int], now: datetime) -> dict[int, Restraint]:
    """What restrains these webhooks, of each of which up to `wanted` deliveries are to be claimed.
    Their rows are locked; those that another worker has locked are left out.
    """
    if not wanted:
        return {}
    rows = Webhook.select(*_COLUMNS).where(one_of(Webhook.id, wanted)).order_by(Webhook.id)
    locked = row_lock(rows, skip_locked=True).tuples()
    return {webhook_id: _restraint(wanted[webhook_id], now, *row) for webhook_id, *row in locked}


_COLUMNS = (
    Webhook.id,
    Webhook.paused_at,
    Webhook.held_until,
    Webhook.not_before,
    Webhook.pace,
    Webhook.paced_to,
)


def _restraint(
    wanted: int,
    now: datetime,
    paused_at: datetime | None,
    held_until: datetime | None,
    not_before: datetime | None,
    pace: str | None,
    paced_to: datetime | None,
) -> Restraint:
    most = room(pace, paced_to, now, wanted) if pace is not None else wanted
    restraint = Restraint(paused_at is not None, held_until, pace, paced_to, most)
    if not restraint.goes_alone:
        return restraint
    is_free = not_before is None or not_before <= now
    return restraint._replace(room=min(most, int(is_free)))


def reserve(
    known: Mapping[int, Restraint], due: Iterable[Due], now: datetime, until: datetime
) -> dict[int, Sequence[Start]]:
    """Note that these deliveries have been claimed. Where the webhook has a pace, their starts are
    taken, and returned. Where one at a time is sent, no other one goes before the lease of this
    one ends.
    """
    starts = dict[int, Sequence[Start]]()
    claimed = Counter(each.webhook_id for each in due if each.webhook_id in known)
    for webhook_id in sorted(claimed):
        restraint, changes = known[webhook_id], dict[str, datetime]()
        not_before = [until] if restraint.goes_alone else []
        if restraint.pace is not None:
            count = claimed[webhook_id]
            taken = restraint.pace, restraint.paced_to, now, count, until
            starts[webhook_id], changes["paced_to"] = window(*taken)
            not_before.append(changes["paced_to"] - AHEAD / 2)
        if not_before:
            changes |= dict.fromkeys(("not_before", "ready_at"), max(not_before))
            Webhook.update(changes).where(Webhook.id == webhook_id).execute()
    return starts


def heed(heard: Collection[Heard], now: datetime) -> None:
    """Begin the holds that were asked for, and end those that an accepted delivery has shown to be
    over; where one at a time is sent, let the next one go. This is part of settling these attempts,
    and of giving them back.
    """
    asked = {each.webhook_id: each.asked_until for each in heard if each.asked_until is not None}
    for webhook_id in sorted(asked):
        begin_hold(webhook_id, asked[webhook_id])
    for each in sorted(heard, key=lambda each: (each.webhook_id, each.accepted)):
        if each.start is not None and each.start.is_alone:
            next_at = each.start.next_at(each.sent_at, each.ended_at)
            bring_forward(each.webhook_id, each.start.until, next_at, now)
        if each.held_until is not None and each.asked_until is None:
            go_on(each.webhook_id, each.held_until, now, is_over=each.accepted)
