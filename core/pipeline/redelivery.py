"""How deliveries start again that an owner redelivers or recovers."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from peewee import Case, fn

from core.domain.choices import Format
from core.domain.delivery import WAITING, Status
from core.domain.language import Language
from core.domain.signing import build_chat_body
from core.storage.database import one_of
from core.storage.models import Delivery, Event, Webhook, row_lock
from core.storage.ready import lower, pin
from core.wording import wording

_RENDERED_AT_ONCE = 100  # deliveries whose payloads are read together


def start_again(webhook_ids: Collection[int], which: Any, status: Status, now: datetime) -> int:
    """Give those of these deliveries that are settled a whole schedule again, and have those that
    wait attempted now; returns how many there are. `webhook_ids` are the webhooks that they belong
    to.

    Settled ones start with the given status. Fresh deliveries go before failed ones, so where there
    are many they start as failed.
    """
    pin(webhook_ids)
    anew = {"attempts": 0, "interruptions": 0, "settled_at": None, "recovery": None}
    is_settled = which & Delivery.status.not_in(WAITING)
    # Two recoveries of the same deliveries must lock them in the same order.
    in_order = row_lock(Delivery.select(Delivery.id).where(is_settled).order_by(Delivery.id))
    ids = [row[0] for row in in_order.tuples()]
    _render_anew(webhook_ids, ids)
    settled = Delivery.update(status=status, due_at=now, **anew).where(one_of(Delivery.id, ids))
    was_due = fn.COALESCE(Delivery.resume_at, Delivery.due_at)
    beside = Case(None, [(Delivery.attempts > 0, was_due)])
    waiting = Delivery.update(due_at=now, resume_at=beside).where(
        which & Delivery.status.in_(WAITING) & Delivery.lease.is_null() & (Delivery.due_at > now)
    )
    changed = waiting.execute() + settled.execute()
    if changed:
        lower(webhook_ids, now)
    return int(changed)


def _render_anew(webhook_ids: Collection[int], ids: Sequence[int]) -> None:
    """Write the bodies of these deliveries in the format and language that their webhooks have
    today.
    """
    language_of = dict(
        Webhook.select(Webhook.id, Webhook.language)
        .where(one_of(Webhook.id, webhook_ids) & (Webhook.format == Format.CHAT))
        .tuples()
    )
    is_chat_line = one_of(Delivery.webhook, language_of)
    Delivery.update(body=None).where(
        one_of(Delivery.id, ids) & ~Delivery.body.is_null() & ~is_chat_line
    ).execute()
    for start in range(0, len(ids) if language_of else 0, _RENDERED_AT_ONCE):
        some = one_of(Delivery.id, ids[start : start + _RENDERED_AT_ONCE])
        said = Delivery.select(
            Delivery.id, Delivery.webhook, Delivery.body, Event.type, Event.payload
        ).join(Event)
        for delivery_id, webhook_id, before, event_type, payload in list(
            said.where(some & is_chat_line).tuples()
        ):
            speaks = wording(Language(language_of[webhook_id]))
            body = build_chat_body(event_type, bytes(payload), speaks)
            if before is None or bytes(before) != body:
                Delivery.update(body=body).where(Delivery.id == delivery_id).execute()
