"""The way from a new webhook to its first sale, and how far an owner has come on it."""

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
    """The steps of a business's first webhook that are done; making it is the first step, so that
    one is.
    """

    needs_secret: bool  # False for a chat program, which verifies nothing
    is_secret_stored: bool
    has_test_arrived: bool
    has_sale_arrived: bool


def first_steps(
    webhook: WebhookRow,
    latest: Sequence[DeliveryRow],
    stored_at: datetime | None,
    renewed_at: datetime | None,
) -> FirstSteps | None:
    """The steps, judging by the latest deliveries, the newest first, and by when the secret was
    seen to be stored and when it was made anew. None once they are over, with the second sale or a
    whole page of history.
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
    """Whether the last check found that the server accepts what is signed with the secret that the
    webhook has had since then, and nothing else.
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
    """Note that the owner has stored the secret, as pasting its end back has shown. Raises what
    `find_webhook` raises.
    """
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
