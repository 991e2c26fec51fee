"""Webhooks that are not sent to as fast as can be: paused ones, and those whose receiver has asked
to be left alone for a while.

A hold begins with an answer. Until it is over nothing is sent; from then on one delivery at a time,
until one is accepted: each claim of one takes the webhook out of all passes for as long as its
lease lasts, and its settlement brings it back.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from peewee import SQL

from core.storage.database import one_of
from core.storage.due import Due
from core.storage.models import TimeField, Webhook, row_lock
from core.storage.ready import wake

_time = TimeField()


class Restraint(NamedTuple):
    """What restrains a webhook when it is claimed for."""

    is_paused: bool
    held_until: datetime | None
    room: int  # how many may be claimed


class Heard(NamedTuple):
    """What one attempt says of the hold of its webhook."""

    webhook_id: int
    held_until: datetime | None  # as it was when the attempt was claimed
    asked_until: datetime | None  # what its answer asked for
    accepted: bool


def restraints(wanted: Mapping[int, int], now: datetime) -> dict[int, Restraint]:
    """What restrains these webhooks, of each of which up to `wanted` are to be claimed. Their rows
    are locked; those that another worker has locked are left out.
    """
    if not wanted:
        return {}
    columns = Webhook.id, Webhook.paused_at, Webhook.held_until, Webhook.not_before
    rows = Webhook.select(*columns).where(one_of(Webhook.id, wanted)).order_by(Webhook.id)
    found = {}
    for webhook_id, paused_at, held_until, not_before in row_lock(rows, skip_locked=True).tuples():
        is_free = not_before is None or not_before <= now
        room = wanted[webhook_id] if held_until is None else int(is_free)
        found[webhook_id] = Restraint(paused_at is not None, held_until, room)
    return found


def reserve(known: Mapping[int, Restraint], due: Collection[Due], until: datetime) -> None:
    """Of each that is held one delivery has been claimed: no other before this one's lease ends."""
    ids = {each.webhook_id for each in due if each.webhook_id in known}
    probed = [each for each in ids if known[each].held_until is not None]
    if probed:
        Webhook.update(not_before=until, ready_at=until).where(one_of(Webhook.id, probed)).execute()


def heed(heard: Collection[Heard], now: datetime) -> None:
    """Begin the holds that were asked for, and end those that an accepted delivery has shown to be
    over; part of settling these attempts.
    """
    asked = {each.webhook_id: each.asked_until for each in heard if each.asked_until is not None}
    for webhook_id in sorted(asked):
        _hold(webhook_id, asked[webhook_id])
    for each in sorted(heard):
        if each.held_until is not None and each.asked_until is None:
            _probed(each, now)


def _hold(webhook_id: int, until: datetime) -> None:
    until_us = _time.db_value(until)
    later = SQL(f"CASE WHEN held_until > {until_us} THEN held_until ELSE {until_us} END")
    ready = SQL(f"CASE WHEN ready_at < {until_us} THEN {until_us} ELSE ready_at END")
    Webhook.update(held_until=later, not_before=later, ready_at=ready).where(
        Webhook.id == webhook_id
    ).execute()


def _probed(heard: Heard, now: datetime) -> None:
    """The one delivery that was sent after a hold has ended: so the next may go, or all."""
    changes = {"held_until": None, "not_before": None} if heard.accepted else {"not_before": now}
    is_same = (Webhook.id == heard.webhook_id) & (Webhook.held_until == heard.held_until)
    if Webhook.update(changes).where(is_same).execute():
        wake([heard.webhook_id])
