"""Secrets at rest."""

import os
import stat
from pathlib import Path

import pytest

from core.domain.signing import Secret
from core.errors import BadKeyFile
from core.storage.vault import Vault, add_key, create_key_file, drop_old_keys, load_vault
from tests.support.accounts import NOBODY, as_nobody, let_in, needs_root

SECRET = Secret("whsec_sentinel")


def test_a_sealed_secret_opens_and_shows_nothing(vault: Vault) -> None:
    sealed = vault.seal(SECRET, 1, 2)
    assert vault.open(sealed, 1, 2) == SECRET
    assert b"sentinel" not in sealed
    assert vault.seal(SECRET, 1, 2) != sealed


@pytest.mark.parametrize("place", [(1, 3), (2, 2)])
def test_a_secret_moved_to_another_row_does_not_open(vault: Vault, place: tuple[int, int]) -> None:
    with pytest.raises(BadKeyFile, match="changed or moved"):
        vault.open(vault.seal(SECRET, 1, 2), *place)


@pytest.mark.parametrize("at", [0, 1, 7, 20, -1])
def test_a_changed_secret_does_not_open(vault: Vault, at: int) -> None:
    sealed = bytearray(vault.seal(SECRET, 1, 2))
    sealed[at] ^= 1
    with pytest.raises(BadKeyFile):
        vault.open(bytes(sealed), 1, 2)


def test_an_older_key_still_opens_and_the_current_one_seals(vault: Vault, tmp_path: Path) -> None:
    create_key_file(tmp_path / "new")
    both = Vault(load_vault(tmp_path / "new").keys + vault.keys)
    assert both.open(vault.seal(SECRET, 1, 2), 1, 2) == SECRET
    with pytest.raises(BadKeyFile, match="does not hold the key"):
        vault.open(both.seal(SECRET, 1, 2), 1, 2)


def test_a_key_file_is_its_owners_alone_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "key"
    before = os.umask(0)
    try:
        create_key_file(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    with pytest.raises(BadKeyFile, match="already"):
        create_key_file(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_that_others_can_read_is_refused_with_the_remedy(
    tmp_path: Path, mode: int
) -> None:
    create_key_file(tmp_path / "key")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(BadKeyFile, match="chmod 600"):
        load_vault(tmp_path / "key")


@pytest.mark.parametrize("content", [b"", b"\n", b"rubbish", b"00 00", b"\xff\xfe", b"0" * 1000])
def test_a_file_that_is_no_key_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(BadKeyFile, match="backup"):
        load_vault(tmp_path / "key")


def test_a_missing_key_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadKeyFile, match="is missing"):
        load_vault(tmp_path / "gone")


def as_kubernetes_mounts_it(folder: Path) -> Path:
    """A link to a link to the file."""
    (folder / "..data").symlink_to("..2026_11_27", target_is_directory=True)
    (folder / "..2026_11_27").mkdir()
    (folder / "test.key").rename(folder / "..2026_11_27" / "mounted.key")
    (folder / "mounted.key").symlink_to("..data/mounted.key")
    return folder / "mounted.key"


def test_a_link_is_read_where_what_it_leads_to_is_safe_and_never_changed(
    tmp_path: Path, vault: Vault
) -> None:
    link = as_kubernetes_mounts_it(tmp_path)
    assert load_vault(link).keys == vault.keys
    for change in (add_key, drop_old_keys):
        with pytest.raises(BadKeyFile, match="is a link, which is not changed: copy"):
            change(link)
    with pytest.raises(BadKeyFile, match="already"):
        create_key_file(link)
    link.resolve().chmod(0o640)
    with pytest.raises(BadKeyFile, match="chmod 600"):
        load_vault(link)


@needs_root
def test_an_account_may_read_roots_key_file_by_its_group_alone(
    tmp_path: Path, vault: Vault
) -> None:
    path = tmp_path / "test.key"
    let_in(tmp_path)
    os.chown(path, 0, NOBODY)
    path.chmod(0o440)
    assert as_nobody(lambda: load_vault(path)) == "done"
    path.chmod(0o460)
    assert "chmod 600" in as_nobody(lambda: load_vault(path))
    os.chown(path, NOBODY, NOBODY)
    path.chmod(0o440)
    assert "chmod 600" in as_nobody(lambda: load_vault(path))


@needs_root
def test_a_changed_key_file_stays_its_owners_and_no_link_in_its_way_is_followed(
    tmp_path: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, victim = tmp_path / "test.key", tmp_path / "roots"
    victim.write_text("root only")
    os.chown(path, NOBODY, NOBODY)
    fsync = os.fsync

    def swap(descriptor: int) -> None:
        """What the account does between any two steps of root's."""
        new = tmp_path / "test.key.new"
        if new.exists() and not new.is_symlink():
            new.unlink()
            new.symlink_to(victim)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", swap)
    add_key(path)
    assert victim.stat().st_uid == 0
    assert victim.read_text() == "root only"
    monkeypatch.undo()
    path.unlink()
    create_key_file(path)
    os.chown(path, NOBODY, NOBODY)
    add_key(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY)


def test_a_fifo_in_its_place_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(BadKeyFile, match="is not a file"):
        load_vault(tmp_path / "fifo")


def test_a_vault_does_not_show_its_keys(vault: Vault) -> None:
    assert vault.keys[0][1].hex() not in repr(vault)
    assert repr(vault.keys[0][1]) not in repr(vault)


def test_the_queue_has_a_key_of_its_own(vault: Vault) -> None:
    assert vault.queue_key() == vault.queue_key()
    assert vault.queue_key() != vault.keys[0][1]


@pytest.mark.parametrize("length", [0, 4, 5, 8, 12, 17, 20])
def test_a_secret_cut_short_does_not_open(vault: Vault, length: int) -> None:
    sealed = vault.seal(SECRET, 1, 2)
    with pytest.raises(BadKeyFile):
        vault.open(sealed[:length], 1, 2)


def test_a_folder_is_no_key_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    with pytest.raises(BadKeyFile):
        load_vault(tmp_path / "folder")
    with pytest.raises(BadKeyFile):
        create_key_file(tmp_path / "folder")


def test_a_key_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadKeyFile, match="cannot be written: No such file"):
        create_key_file(tmp_path / "gone" / "key")


def test_every_new_key_file_has_another_key(tmp_path: Path) -> None:
    create_key_file(tmp_path / "a")
    create_key_file(tmp_path / "b")
    assert load_vault(tmp_path / "a").keys != load_vault(tmp_path / "b").keys


def test_what_was_sealed_for_one_purpose_opens_for_no_other(vault: Vault) -> None:
    secret = Secret("a gateway's key")
    for_a_header = vault.seal(secret, 1, 2, "header X-Api-Key")
    assert vault.open(for_a_header, 1, 2, "header X-Api-Key") == secret
    for business, webhook, purpose in (
        *((1, 2, ""), (1, 2, "header X-Other")),
        *((2, 2, "header X-Api-Key"), (1, 3, "header X-Api-Key")),
    ):
        with pytest.raises(BadKeyFile, match="changed or moved"):
            vault.open(for_a_header, business, webhook, purpose)
    with pytest.raises(BadKeyFile, match="give it again"):
        vault.open(vault.seal(secret, 1, 2), 1, 2, "header X-Api-Key")
