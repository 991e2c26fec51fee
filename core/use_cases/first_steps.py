"""The way from a new webhook to its first sale: what of it is done, by what is known of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.domain.actors import Actor
from core.domain.choices import Format
from core.domain.delivery import Status
from core.domain.events import EventType, Purpose
from core.storage.database import transaction
from core.use_cases.access import find_webhook
from core.use_cases.audit import SECRET_STORED, note
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.queries import HISTORY_LENGTH, WebhookRow


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """Of a webhook that is made already, which is the first one."""

    needs_secret: bool  # a chat program verifies nothing
    is_secret_stored: bool
    has_test_arrived: bool
    has_sale_arrived: bool


def first_steps(
    webhook: WebhookRow,
    latest: Sequence[DeliveryRow],
    stored_at: datetime | None,
    renewed_at: datetime | None,
) -> FirstSteps | None:
    """By its latest deliveries, the newest first, and by when its secret was seen to be stored, and
    made anew. None once they are over: with its second sale, or a whole page of history.
    """
    arrived = [row for row in latest if row.status is Status.DELIVERED]
    sales = [row for row in arrived if row.purpose is None and row.event is not EventType.PING]
    if len(sales) > 1 or len(latest) >= HISTORY_LENGTH:
        return None
    since = renewed_at or webhook.created_at
    is_stored = stored_at is not None and stored_at >= since
    return FirstSteps(
        needs_secret=webhook.choices.format is not Format.CHAT,
        is_secret_stored=is_stored or _verifies(latest, since),
        has_test_arrived=any(row.event is EventType.PING for row in arrived),
        has_sale_arrived=bool(sales),
    )


def _verifies(latest: Iterable[DeliveryRow], since: datetime) -> bool:
    """Whether the last check found that the server takes what is signed with the secret it has
    since then, and nothing else.
    """
    became: dict[Purpose | None, Status] = {}
    for row in latest:
        if row.created_at >= since and row.settled_at is not None:
            became.setdefault(row.purpose, row.status)
    return (
        became.get(Purpose.CHECK) is Status.DELIVERED
        and became.get(Purpose.WRONG_SECRET) is Status.ABANDONED
    )


def note_secret_stored(actor: Actor, webhook_id: int, now: datetime) -> None:
    """The owner has shown that it is, by pasting back how it ends. Raises as `find_webhook`."""
    with transaction():
        webhook = find_webhook(actor, webhook_id)
        note(
            actor,
            webhook.business_id,
            SECRET_STORED,
            now,
            webhook_id=webhook_id,
            subject=webhook.url,
        )
