"""Disks that can be filled: a small one of its own where that may be mounted, or SQLite's limit."""

import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

_LIMITED = """
from pathlib import Path
from core.storage import database

class Limited(database.Sqlite):
    def begin(self, lock_type=None):
        pages = 1 if Path({full!r}).exists() else 1 << 30
        self.connection().execute(f"PRAGMA max_page_count = {{pages}}")
        super().begin(lock_type)

database.Sqlite = Limited
"""


class Disk(Protocol):
    folder: Path

    def fill(self) -> None: ...

    def make_room(self) -> None: ...


class PageLimit:
    """Every process that is started with this on its path refuses to let its database grow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "installation"
        self.path = folder / "path"
        self._full = folder / "full"
        self.folder.mkdir()
        self.path.mkdir()
        script = _LIMITED.format(full=str(self._full))
        (self.path / "sitecustomize.py").write_text(script)

    def fill(self) -> None:
        self._full.touch()

    def make_room(self) -> None:
        self._full.unlink()


class SmallDisk:
    """A disk of 1 MB in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """To the last byte, with no room left in a write-ahead log either."""
        for database in self.folder.glob("*.db"):
            connection = sqlite3.connect(database, timeout=10)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
        with self._filler.open("wb", buffering=0) as filler, suppress(OSError):
            while filler.write(bytes(4096)):
                pass

    def make_room(self) -> None:
        self._filler.unlink()


@contextmanager
def small_disk() -> Iterator[SmallDisk]:
    with tempfile.TemporaryDirectory(prefix="aurapos-disk-") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "aurapos", folder], check=True)
        try:
            yield SmallDisk(Path(folder))
        finally:
            subprocess.run(["umount", folder], check=True)


def mounting_is_allowed() -> bool:
    if os.geteuid() != 0:
        return False
    try:
        with small_disk():
            return True
    except (OSError, subprocess.CalledProcessError):
        return False
