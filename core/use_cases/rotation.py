"""Sealing every stored secret anew after the key file got a new key."""

from collections.abc import Callable
from dataclasses import dataclass

from core.storage.database import connection, transaction
from core.storage.models import Webhook
from core.storage.vault import Vault

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was sealed anew, and the webhooks whose secret no key here opens."""

    sealed: int
    lost: tuple[int, ...]


def seal_anew(vault: Vault, tell: Callable[[int], None]) -> Rotation:
    """Seal with the current key what another one sealed, in short transactions, telling how many
    were looked at; may be run again at any time.
    """
    sealed, lost, looked_at, last = 0, [], 0, 0
    while True:
        with transaction():
            rows = list(
                Webhook.select(Webhook.id, Webhook.business, Webhook.secret)
                .where((Webhook.id > last) & Webhook.secret.is_null(is_null=False))
                .order_by(Webhook.id)
                .limit(_BATCH)
            )
            for row in rows:
                before = bytes(row.secret)
                if vault.is_current(before):
                    continue
                if not vault.knows(before):
                    lost.append(row.id)
                    continue
                secret = vault.open(before, row.business_id, row.id)
                anew = vault.seal(secret, row.business_id, row.id)
                # Regenerated meanwhile, the newer secret stays.
                sealed += (
                    Webhook.update(secret=anew)
                    .where((Webhook.id == row.id) & (Webhook.secret == before))
                    .execute()
                )
        if not rows:
            return Rotation(sealed, tuple(lost))
        last = rows[-1].id
        looked_at += len(rows)
        tell(looked_at)


def lost_secrets(vault: Vault | None, business_id: int | None = None) -> list[int]:
    """The webhooks (of a business) whose secret was sealed with a key that is not here; without
    a vault all of them.
    """
    which = Webhook.secret.is_null(is_null=False)
    if business_id is not None:
        which &= Webhook.business == business_id
    with connection():
        rows = Webhook.select(Webhook.id, Webhook.secret).where(which).order_by(Webhook.id)
        return [
            row_id
            for row_id, sealed in rows.tuples()
            if vault is None or not vault.knows(bytes(sealed))
        ]
