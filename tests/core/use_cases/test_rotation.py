"""The key that secrets are sealed with can be changed, at any time and after any interruption."""

from pathlib import Path

import pytest

from core.domain.choices import Chosen
from core.domain.own_headers import parse_headers
from core.domain.signing import Secret
from core.errors import BadKeyFile
from core.storage.choosing import open_headers
from core.storage.database import transaction
from core.storage.models import Webhook
from core.storage.vault import Vault, add_key, create_key_file, drop_old_keys, load_vault
from core.use_cases import services
from core.use_cases.rotation import lost_secrets, seal_anew
from tests.support.scene import DEVELOPMENT, MARIE, NOON, add_webhook


@pytest.fixture
def key_file(tmp_path: Path, vault: Vault) -> Path:
    assert vault.keys
    return tmp_path / "test.key"


def opened(vault: Vault) -> list[str]:
    rows = Webhook.select().where(Webhook.deleted_at.is_null()).order_by(Webhook.id)
    return [vault.open(bytes(row.secret), row.business_id, row.id).reveal() for row in rows]


def counted(_: int) -> None:
    """Progress that nobody looks at."""


def test_after_a_rotation_the_old_key_opens_nothing_and_no_secret_has_changed(
    business: int, vault: Vault, key_file: Path
) -> None:
    secrets = [add_webhook(vault, business).secret.reveal() for _ in range(3)]
    looked_at: list[int] = []
    rotation = seal_anew(add_key(key_file), looked_at.append)
    assert (rotation.sealed, rotation.lost, looked_at) == (3, (), [3])
    current = drop_old_keys(key_file)
    assert len(current.keys) == 1
    assert opened(current) == secrets
    with pytest.raises(BadKeyFile):
        opened(vault)


def test_a_rotation_cut_short_is_ended_by_the_next(
    business: int, vault: Vault, key_file: Path
) -> None:
    first = add_webhook(vault, business).secret.reveal()
    half_way = add_key(key_file)
    second = add_webhook(half_way, business).secret.reveal()
    assert opened(load_vault(key_file)) == [first, second]
    assert seal_anew(add_key(key_file), counted).sealed == 2
    assert opened(load_vault(key_file)) == [first, second]
    assert seal_anew(load_vault(key_file), counted).sealed == 0


def test_a_secret_without_its_key_is_left_and_named(
    business: int, vault: Vault, key_file: Path, tmp_path: Path
) -> None:
    add_webhook(vault, business)
    create_key_file(tmp_path / "other.key")
    stranger = add_webhook(load_vault(tmp_path / "other.key"), business)
    assert lost_secrets(vault) == lost_secrets(vault, business) == [stranger.id]
    assert lost_secrets(vault, business + 1) == []
    rotation = seal_anew(add_key(key_file), counted)
    assert (rotation.sealed, rotation.lost) == (1, (stranger.id,))


def test_a_deleted_webhook_has_no_secret_to_seal(
    business: int, vault: Vault, key_file: Path
) -> None:
    webhook = add_webhook(vault, business)
    services.delete_webhook(MARIE, webhook.id, NOON)
    assert seal_anew(add_key(key_file), counted).sealed == 0
    assert lost_secrets(vault) == []


def test_many_are_sealed_in_short_transactions(business: int, vault: Vault, key_file: Path) -> None:
    with transaction():
        for _ in range(450):
            row = Webhook.create(business=business, url="x", created_at=NOON, updated_at=NOON)
            sealed = vault.seal(Secret("whsec_x"), business, row.id)
            Webhook.update(secret=sealed).where(Webhook.id == row.id).execute()
    looked_at: list[int] = []
    assert seal_anew(add_key(key_file), looked_at.append).sealed == 450
    assert looked_at == [200, 400, 450]


def test_running_processes_are_not_parted_by_a_rotation(vault: Vault, key_file: Path) -> None:
    assert add_key(key_file).queue_key() == vault.queue_key()
    assert add_key(key_file).queue_key() == vault.queue_key()


def test_a_key_file_that_cannot_be_changed_stays_as_it_is(vault: Vault, key_file: Path) -> None:
    before = key_file.read_bytes()
    (key_file.parent / "test.key.new").mkdir()
    with pytest.raises(BadKeyFile, match="it is as it was"):
        add_key(key_file)
    assert key_file.read_bytes() == before
    assert load_vault(key_file).keys == vault.keys


def test_a_new_key_is_its_owners_alone(key_file: Path) -> None:
    add_key(key_file)
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in key_file.parent.glob("test.key*")) == ["test.key"]


def headers_of(vault: Vault, webhook_id: int) -> list[str]:
    row = Webhook.get_by_id(webhook_id)
    opened = open_headers(vault, row.headers, row.business_id, webhook_id)
    return [each.value.reveal() for each in opened if each.value is not None]


def test_own_headers_are_sealed_anew_as_well(business: int, vault: Vault, key_file: Path) -> None:
    chosen: Chosen = {"headers": parse_headers(["X-Api-Key: first", "X-Tenant: marie"])}
    webhook = add_webhook(vault, business, chosen=chosen)
    assert seal_anew(add_key(key_file), counted).sealed == 3
    assert seal_anew(load_vault(key_file), counted).sealed == 0
    current = drop_old_keys(key_file)
    assert headers_of(current, webhook.id) == ["first", "marie"]
    assert lost_secrets(current) == []
    with pytest.raises(BadKeyFile, match="header X-Api-Key"):
        headers_of(vault, webhook.id)


def test_headers_whose_key_is_gone_are_named_until_they_are_given_again(
    business: int, vault: Vault, key_file: Path
) -> None:
    chosen: Chosen = {"headers": parse_headers(["X-Api-Key: first"])}
    webhook = add_webhook(vault, business, chosen=chosen)
    add_key(key_file)
    current = drop_old_keys(key_file)
    assert seal_anew(current, counted).lost == (webhook.id,)
    services.regenerate_secret(MARIE, webhook.id, NOON, vault=current)
    assert lost_secrets(current) == [webhook.id]
    services.edit_webhook(
        *(MARIE, webhook.id, NOON), policy=DEVELOPMENT, chosen=chosen, open_vault=lambda: current
    )
    assert lost_secrets(current) == []
