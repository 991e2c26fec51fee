"""A folder to throw away, of which the next one removes what a kill has left."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.storage.folders import opened_folder

_PREFIX = "aurapos-webhooks-demo-"


@contextmanager
def throwaway_folder() -> Iterator[Path]:
    """A folder that goes with the block; those go now whose process was killed in it.

    Nothing is put into one before it is locked, which it is as long as its process lives. So what
    can be locked and is not empty has been left.
    """
    _remove_left()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name, opened_folder(Path(name)) as folder:
        with suppress(OSError):  # a file system that locks no folders: nobody can remove it either
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield Path(name)


def _remove_left() -> None:
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), opened_folder(path) as folder:
            if os.fstat(folder).st_uid != os.geteuid():
                continue
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if any(path.iterdir()):
                shutil.rmtree(path)  # refuses a link, whoever put it there
