"""How webhooks stand, as the event loop remembers it between two commits. On SQLite."""

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.storage import standing
from core.storage.database import connection, transaction
from core.storage.models import Webhook
from core.storage.standing import Memory, Standing
from core.storage.vault import Vault
from tests.support.scene import NOON, add_webhook

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def by_another(change: Callable[[], None]) -> None:
    """Make a change over another connection, as another process does."""

    def changed() -> None:
        with transaction():
            change()

    with ThreadPoolExecutor(1) as other:
        other.submit(changed).result()


def test_what_is_known_is_read_again_only_after_a_commit(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (add_webhook(vault, business).id for _ in range(2))
    memory, read, reads = Memory(), standing.standing, list[Collection[int]]()

    def counted(webhook_ids: Collection[int]) -> dict[int, Standing]:
        reads.append(webhook_ids)
        return read(webhook_ids)

    def rename() -> None:
        Webhook.update(name="Another").where(Webhook.id == first).execute()

    monkeypatch.setattr(standing, "standing", counted)
    with connection():
        assert memory.known() == {}
        memory.standing({first})
        assert memory.standing({first, second}).keys() == {first, second} == memory.known().keys()
        for change in (lambda: by_another(rename), rename):
            change()
            assert memory.known() == {}
            memory.standing({second})
    assert reads == [{first}, {second}, {second}, {second}]


def test_a_webhook_that_is_gone_is_remembered_as_gone(business: int, vault: Vault) -> None:
    webhook, memory = add_webhook(vault, business).id, Memory()
    with connection():
        stands = memory.standing({webhook})[webhook]
        assert stands is not None
        by_another(lambda: Webhook.update(url="https://other/").execute())
        moved = memory.standing({webhook})[webhook]
        assert moved is not None
        assert moved.terms.url == "https://other/"
        by_another(lambda: Webhook.update(deleted_at=NOON).execute())
        assert memory.standing({webhook}) == {webhook: None}
