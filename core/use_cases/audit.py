"""The audit trail: who did what, when and from where; never a secret."""

from datetime import datetime

from core.domain.actors import Actor
from core.storage.models import AuditEntry

CREATED, SECRET_REGENERATED, SECRET_STORED = "created", "secret regenerated", "secret stored"
"""The actions that the card of a webhook tells about."""


def note(
    actor: Actor,
    business_id: int,
    action: str,
    now: datetime,
    *,
    webhook_id: int | None = None,
    subject: str = "",
    detail: str = "",
) -> None:
    """Write one line of the trail, in the transaction of what it is about."""
    AuditEntry.insert(
        at=now,
        business_id=business_id,
        actor=actor.name,
        origin=actor.origin,
        action=action,
        webhook_id=webhook_id,
        subject=subject,
        detail=detail,
    ).execute()
