"""Folders by descriptor: what we do in one stays in it, even if its names are changed meanwhile."""

import fcntl
import os
import pwd
import shlex
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import BadInput

_PATIENCE = 30.0  # seconds
_PAUSE = 0.05


@contextmanager
def opened_folder(path: Path) -> Iterator[int]:
    """A descriptor of the folder. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def taking_turns(path: Path) -> Iterator[None]:
    """Be the only one, of those who take this turn, to make or change the files in this folder.

    The system gives the turn back when a process ends, however it ends. Raises BadInput when
    somebody else keeps it for half a minute, and OSError where there is no folder.
    """
    with opened_folder(path) as folder:
        _wait_for_turn(folder, path)
        yield


def _wait_for_turn(folder: int, path: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise BadInput(
                    f"Another `init` or `secrets rotate-key` is at work in {path}: nothing was "
                    "done; wait until it has finished and run this again."
                ) from None
            time.sleep(_PAUSE)
        except OSError:  # a network file system that cannot lock folders: nobody waits for anybody
            return
        else:
            return


def make_private(path: Path) -> None:
    """Make an empty file that only its owner can read, unless it is there. It belongs to the owner
    of the folder, so that what root makes among an account's files is the account's.

    Raises OSError.
    """
    with opened_folder(path.parent) as folder, suppress(FileExistsError):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(path.name, flags, 0o600, dir_fd=folder)
        try:
            owner = os.fstat(folder)
            if os.geteuid() == 0 and not _is_anybodys(owner):
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
        finally:
            os.close(descriptor)


def told_of_owner(path: Path) -> str:
    """A sentence, where a file belongs neither to us nor, for root, to the owner of its folder;
    else "".
    """
    try:
        owner, folder = path.stat().st_uid, path.parent.stat()
    except OSError:
        return ""
    wanted = os.geteuid()
    if wanted == 0:
        wanted = owner if _is_anybodys(folder) else folder.st_uid
    if owner == wanted:
        return ""
    account = _account(wanted)
    return (
        f"{path} belongs to {_account(owner)}, and must to {account}: run `chown {account}: "
        f"{shlex.quote(str(path))}`."
    )


def _account(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _is_anybodys(folder: os.stat_result) -> bool:
    """Whether anybody may make files there, as in /tmp."""
    return bool(folder.st_mode & stat.S_IWOTH)
