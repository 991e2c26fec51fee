"""Secrets at rest: AES-256-GCM with keys from a file that only its owner can read."""

import hmac
import os
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.domain.language import N_
from core.domain.signing import Secret
from core.errors import BadKeyFile
from core.storage.folders import opened_folder

_VERSION = b"\x01"
_KEY_BYTES = 32
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_LONGEST_FILE = 1 << 20  # bytes: some 20,000 keys
_HEADER = len(_VERSION) + _KEY_ID_BYTES + _NONCE_BYTES

_LOST_SECRET = N_(
    "The key file does not hold the key this webhook's secret was sealed with: put the right key "
    "file back, or regenerate the secret."
)
_LOST = N_(
    "The key file does not hold the key this webhook's {purpose} was sealed with: put the right "
    "key file back, or give it again."
)
_MOVED_SECRET = N_("This webhook's stored secret was changed or moved: regenerate the secret.")
_MOVED = N_("This webhook's stored {purpose} was changed or moved: give it again.")


@dataclass(frozen=True, slots=True, repr=False)
class Vault:
    """Seals and opens secrets with a list of keys: the first one seals, and any of them can open.

    A sealed secret is `version

    key id

    nonce

    ciphertext`. Its webhook, the business and what it is for are authenticated with it, so a secret
    that was moved to another place does not open.
    """

    keys: tuple[tuple[bytes, bytes], ...]  # (key id, key), the current one first

    def queue_key(self) -> bytes:
        """The key that signs the queue's messages, which are pickled.

        It is made from the oldest key, so that a rotation does not separate running processes.
        """
        return hmac.digest(self.keys[-1][1], b"queue messages", "sha256")

    def code(self, about: bytes, digits: int) -> str:
        """Digits that only who has the key can tell: what was drawn for `about` is kept nowhere.

        Made from the oldest key as well.
        """
        drawn = hmac.digest(self.keys[-1][1], b"a code " + about, "sha256")
        return f"{int.from_bytes(drawn) % 10**digits:0{digits}}"

    def knows(self, sealed: bytes) -> bool:
        """Whether the key that sealed it is here."""
        return _key_id(sealed) in dict(self.keys)

    def is_current(self, sealed: bytes) -> bool:
        """Whether the current key sealed it."""
        return _key_id(sealed) == self.keys[0][0]

    def seal(self, secret: Secret, business_id: int, webhook_id: int, purpose: str = "") -> bytes:
        """Seal a secret that signs, or one that is for another `purpose`."""
        key_id, key = self.keys[0]
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(key).encrypt(
            nonce, secret.reveal().encode(), _whose(business_id, webhook_id, purpose)
        )
        return _VERSION + key_id + nonce + sealed

    def open(self, sealed: bytes, business_id: int, webhook_id: int, purpose: str = "") -> Secret:
        """The secret. Raises BadKeyFile when no key here opens it."""
        key = dict(self.keys).get(_key_id(sealed))
        if key is None or sealed[: len(_VERSION)] != _VERSION:
            raise BadKeyFile(_LOST if purpose else _LOST_SECRET, purpose=purpose)
        nonce = sealed[_HEADER - _NONCE_BYTES : _HEADER]
        try:
            whose = _whose(business_id, webhook_id, purpose)
            text = AESGCM(key).decrypt(nonce, sealed[_HEADER:], whose)
        except (InvalidTag, ValueError):
            raise BadKeyFile(_MOVED if purpose else _MOVED_SECRET, purpose=purpose) from None
        return Secret(text.decode())


def _key_id(sealed: bytes) -> bytes:
    return sealed[len(_VERSION) : len(_VERSION) + _KEY_ID_BYTES]


def _whose(business_id: int, webhook_id: int, purpose: str) -> bytes:
    return f"business {business_id} webhook {webhook_id} {purpose}".rstrip().encode()


def create_key_file(path: Path) -> None:
    """Write a new key file with mode 0600. It is on the disk when this returns, and never replaces
    one.
    """
    try:
        with opened_folder(path.parent) as folder:
            _write_new(folder, path.name, _new_line())
    except FileExistsError:
        raise BadKeyFile(f"There is a key file {path} already: it is kept as it is.") from None
    except OSError as error:
        raise BadKeyFile(f"The key file {path} cannot be written: {error.strerror}.") from None


def add_key(path: Path) -> Vault:
    """Put a new key before those in a key file, which changes as a whole or not at all.

    The older keys stay, so that whatever they sealed still opens, also in a backup. Whoever changes
    a key file keeps `taking_turns` on its folder until everything is sealed with the new key.
    """
    return _rewrite(path, lambda content: _new_line() + content)


def drop_old_keys(path: Path) -> Vault:
    """Leave only the current key in a key file."""
    return _rewrite(path, lambda content: _lines(content, path)[0] + b"\n")


def _new_line() -> bytes:
    key_id, key = os.urandom(_KEY_ID_BYTES), os.urandom(_KEY_BYTES)
    return key_id.hex().encode() + b" " + urlsafe_b64encode(key) + b"\n"


def _rewrite(path: Path, change: Callable[[bytes], bytes]) -> Vault:
    """Change the file, doing everything by descriptor: root changes what an account owns, and the
    account may meanwhile put a link in place of any name.
    """
    new = f"{path.name}.new"
    try:
        with opened_folder(path.parent) as folder:
            before, owner = _read(path, folder)
            content = change(before)
            vault = _parse(content, path)
            with suppress(FileNotFoundError):
                os.unlink(new, dir_fd=folder)  # left behind by a run that was killed
            _write_new(folder, new, content, owner)
            try:
                os.replace(new, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                os.unlink(new, dir_fd=folder)
                raise
            os.fsync(folder)
            return vault
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        raise BadKeyFile(
            f"The key file {path} cannot be changed: {error.strerror}; it is as it was."
        ) from None


def _write_new(folder: int, name: str, content: bytes, owner: os.stat_result | None = None) -> None:
    """Write a file that was not there, for this owner or ourselves: it is whole and on the disk, or
    is not there.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if owner is not None:
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            os.fsync(descriptor)
        os.fsync(folder)
    except OSError:
        os.unlink(name, dir_fd=folder)
        raise


def load_vault(path: Path) -> Vault:
    """The vault with the keys of a file: each is a line `ID KEY`, in hex and base64url, the current
    one first.

    A link to a file is followed, as Kubernetes makes them, if the file is safe. Raises BadKeyFile
    when the file is missing, can be read by others, or is no key file.
    """
    try:
        return _parse(_read(path)[0], path)
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        raise BadKeyFile(
            N_("The key file {path} cannot be read: {why}."), path=path, why=error.strerror
        ) from None


def _missing(path: Path) -> BadKeyFile:
    return BadKeyFile(
        N_(
            "The key file is missing: put {path} back from its backup; without it no secret"
            " can be opened and deliveries wait."
        ),
        path=path,
    )


def _read(path: Path, folder: int | None = None) -> tuple[bytes, os.stat_result]:
    """The content of a key file, and whose file it is. Inside an open folder, which is to be
    changed, it must not be a link.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK  # so that we do not wait at a FIFO to which nobody writes
    if folder is None:
        descriptor = os.open(path, flags)
    else:
        _refuse_link(path, folder)
        descriptor = os.open(path.name, flags | os.O_NOFOLLOW, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        _refuse_unsafe(path, about)
        return file.read(_LONGEST_FILE), about


def _refuse_link(path: Path, folder: int) -> None:
    if stat.S_ISLNK(os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_mode):
        raise BadKeyFile(
            f"The key file {path} is a link, which is not changed: copy what it leads to into a "
            "file of its own with mode 600, name that in [secrets] key_file and run this again; "
            "then bring the file to where the link leads (a Kubernetes secret)."
        )


def _refuse_unsafe(path: Path, about: os.stat_result) -> None:
    """Raise BadKeyFile where others can read it: then it is no secret. As PostgreSQL allows it for
    its own key files, a file of root's may be read by the group it belongs to: so Kubernetes mounts
    a secret for an account.
    """
    if not stat.S_ISREG(about.st_mode):
        raise BadKeyFile(
            N_("The key file {path} is not a file: mend [secrets] key_file."), path=path
        )
    given_by_root = about.st_uid == 0 and os.geteuid() != 0
    allowed = stat.S_IRUSR | stat.S_IWUSR | (stat.S_IRGRP if given_by_root else 0)
    if stat.S_IMODE(about.st_mode) & (stat.S_IRWXG | stat.S_IRWXO) & ~allowed:
        raise BadKeyFile(
            N_("The key file {path} is open to others: run `chmod 600 {path}`."), path=path
        )


def _parse(content: bytes, path: Path) -> Vault:
    return Vault(tuple(_parse_key(line, path) for line in _lines(content, path)))


def _lines(content: bytes, path: Path) -> list[bytes]:
    lines = [line for line in content.splitlines() if line.strip()]
    if not lines:
        raise BadKeyFile(
            N_("The key file {path} is empty: put it back from its backup."), path=path
        )
    return lines


def _parse_key(line: bytes, path: Path) -> tuple[bytes, bytes]:
    try:
        key_id, key = line.split()
        parsed = bytes.fromhex(key_id.decode()), urlsafe_b64decode(key)
    except (ValueError, Base64Error):
        parsed = b"", b""
    if (len(parsed[0]), len(parsed[1])) != (_KEY_ID_BYTES, _KEY_BYTES):
        raise BadKeyFile(
            N_("{path} is not a key file: put the right one back from its backup."), path=path
        )
    return parsed
