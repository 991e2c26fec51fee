"""How many events the conditions of each webhook kept back, by the hour."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from peewee import EXCLUDED, fn

from core.storage.database import transaction
from core.storage.models import KeptBack, Webhook


def count_kept_back(webhook_ids: Iterable[int], now: datetime) -> None:
    """Count one event for each of these webhooks, in the transaction in which it did not get it."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    rows = [(each, hour, count) for each, count in sorted(Counter(webhook_ids).items())]
    if rows:
        KeptBack.insert_many(rows, [KeptBack.webhook, KeptBack.hour, KeptBack.events]).on_conflict(
            conflict_target=[KeptBack.webhook, KeptBack.hour],
            update={KeptBack.events: KeptBack.events + EXCLUDED.events},
        ).execute()


def kept_back_since(webhook_id: int, since: datetime) -> int:
    """How many events were kept back from it in the hours that began since then."""
    which = (KeptBack.webhook == webhook_id) & (KeptBack.hour >= since)
    return int(KeptBack.select(fn.COALESCE(fn.SUM(KeptBack.events), 0)).where(which).scalar())


def forget_kept_back(before: datetime) -> None:
    """Forget the hours that began before then, and the webhooks that were deleted."""
    gone = Webhook.select(Webhook.id).where(~Webhook.deleted_at.is_null())
    with transaction():
        KeptBack.delete().where((KeptBack.hour < before) | KeptBack.webhook.in_(gone)).execute()
