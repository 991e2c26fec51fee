"""The holds that receivers have asked for, and starts that are taken, as the rows of their webhooks
say.
"""

from datetime import datetime

from peewee import SQL, Expression

from core.domain.pace import AHEAD
from core.storage.models import MICROSECOND, TimeField, Webhook
from core.storage.ready import wake

_time = TimeField()


def begin_hold(webhook_id: int, until: datetime) -> None:
    """Have this webhook sent nothing until then, or for longer where that was asked for earlier."""
    until_us = _time.db_value(until)
    later = SQL(f"CASE WHEN held_until > {until_us} THEN held_until ELSE {until_us} END")
    # Also where it was the end of the lease of the one delivery that was sent after another hold.
    ready = SQL(f"CASE WHEN ready_at IS NOT NULL THEN {later.sql} END")
    Webhook.update(held_until=later, not_before=later, ready_at=ready).where(
        Webhook.id == webhook_id
    ).execute()


def go_on(webhook_id: int, held_until: datetime, now: datetime, *, is_over: bool) -> None:
    """After the one delivery that was sent at the end of a hold: let the next one be sent, or all
    of them if the hold `is_over`. Where another hold has begun meanwhile, nothing changes.
    """
    changes = {"not_before": SQL(_next_look(now))} | ({"held_until": None} if is_over else {})
    is_same = (Webhook.id == webhook_id) & (Webhook.held_until == held_until)
    if Webhook.update(changes).where(is_same).execute():
        wake([webhook_id])


def bring_forward(webhook_id: int, reserved: datetime, next_start: datetime, now: datetime) -> None:
    """Let the next delivery start at `next_start`, where all was `reserved` up to a later time.
    Where another start has been taken since, or the pace is another one, nothing changes.
    """
    look_us = _time.db_value(max(next_start - AHEAD / 2, now))
    look_at = f"CASE WHEN held_until > {look_us} THEN held_until ELSE {look_us} END"
    ready_at = SQL(f"CASE WHEN ready_at IS NOT NULL THEN {look_at} END")
    Webhook.update(paced_to=next_start, not_before=SQL(look_at), ready_at=ready_at).where(
        (Webhook.id == webhook_id) & (Webhook.paced_to == reserved)
    ).execute()


def free_starts(which: Expression) -> int:
    """Free the starts that are taken of these webhooks, of which only holds go on; returns how many
    these were. Others must be shut out.
    """
    freed = Webhook.update(paced_to=None, not_before=Webhook.held_until).where(which)
    return int(freed.execute())


def _next_look(now: datetime) -> str:
    """SQL for when more of a webhook may be claimed: now, or as its pace says."""
    look_at = f"paced_to - {AHEAD // (2 * MICROSECOND)}"
    now_us = _time.db_value(now)
    return f"CASE WHEN {look_at} > {now_us} THEN {look_at} ELSE {now_us} END"
