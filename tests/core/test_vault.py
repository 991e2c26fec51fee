"""Secrets at rest."""

import os
import stat
from pathlib import Path

import pytest

from core.errors import BadKeyFile
from core.signing import Secret
from core.vault import Vault, create_key_file, load_vault

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


def test_a_missing_key_file_and_a_link_are_refused(tmp_path: Path, vault: Vault) -> None:
    with pytest.raises(BadKeyFile, match="is missing"):
        load_vault(tmp_path / "gone")
    (tmp_path / "link").symlink_to(tmp_path / "test.key")
    with pytest.raises(BadKeyFile, match="cannot be read"):
        load_vault(tmp_path / "link")
    with pytest.raises(BadKeyFile, match="already"):
        create_key_file(tmp_path / "link")


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
