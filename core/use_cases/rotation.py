"""Sealing every stored secret again, after the key file got a new key."""

from collections.abc import Callable
from dataclasses import dataclass

from core.storage.choosing import column_of, purpose_of, sealed_headers
from core.storage.database import connection, transaction
from core.storage.models import Webhook
from core.storage.vault import Vault

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was sealed again, and the webhooks whose secret no key here opens."""

    sealed: int
    lost: tuple[int, ...]


def seal_anew(vault: Vault, tell: Callable[[int], None]) -> Rotation:
    """Seal with the current key what another key sealed, in short transactions. `tell` is given how
    many webhooks were looked at. It may be run again at any time.
    """
    sealed, lost, looked_at, last = 0, [], 0, 0
    while True:
        with transaction():
            rows = list(
                Webhook.select(Webhook.id, Webhook.business, Webhook.secret, Webhook.headers)
                .where((Webhook.id > last) & Webhook.secret.is_null(is_null=False))
                .order_by(Webhook.id)
                .limit(_BATCH)
            )
            for row in rows:
                if not all(map(vault.knows, _all_sealed(row))):
                    lost.append(row.id)
                sealed += _seal_secret_anew(vault, row) + _seal_headers_anew(vault, row)
        if not rows:
            return Rotation(sealed, tuple(lost))
        last = rows[-1].id
        looked_at += len(rows)
        tell(looked_at)


def _all_sealed(row: Webhook) -> list[bytes]:
    return [bytes(row.secret), *sealed_headers(row.headers).values()]


def _seal_secret_anew(vault: Vault, row: Webhook) -> int:
    """How many secrets of this webhook were sealed again."""
    before = bytes(row.secret)
    if vault.is_current(before) or not vault.knows(before):
        return 0
    secret = vault.open(before, row.business_id, row.id)
    anew = vault.seal(secret, row.business_id, row.id)
    # If it was regenerated meanwhile, the newer secret stays.
    unchanged = (Webhook.id == row.id) & (Webhook.secret == before)
    return int(Webhook.update(secret=anew).where(unchanged).execute())


def _seal_headers_anew(vault: Vault, row: Webhook) -> int:
    """How many headers were sealed again; what no key here opens stays as it is."""
    before = sealed_headers(row.headers)
    anew = dict(before)
    for name, value in before.items():
        if vault.knows(value) and not vault.is_current(value):
            whose = row.business_id, row.id, purpose_of(name)
            anew[name] = vault.seal(vault.open(value, *whose), *whose)
    changed = sum(anew[name] != value for name, value in before.items())
    unchanged = (Webhook.id == row.id) & (Webhook.headers == row.headers)
    if changed and Webhook.update(headers=column_of(anew)).where(unchanged).execute():
        return changed
    return 0


def lost_secrets(vault: Vault | None, business_id: int | None = None) -> list[int]:
    """The webhooks, of all businesses or of one, of which something was sealed with a key that is
    not here. Without a vault these are all webhooks.
    """
    which = Webhook.secret.is_null(is_null=False)
    if business_id is not None:
        which &= Webhook.business == business_id
    columns = Webhook.id, Webhook.secret, Webhook.headers
    with connection():
        return [
            row.id
            for row in Webhook.select(*columns).where(which).order_by(Webhook.id)
            if vault is None or not all(map(vault.knows, _all_sealed(row)))
        ]
