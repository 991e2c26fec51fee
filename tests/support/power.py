"""A loss of power: of SQLite's files nothing is left that was written and not synced.

Every process that is started with this on its path notes what SQLite writes, syncs, cuts off and
deletes, in SQLite's own layer over the system: no privilege, no tracer and no compiler is needed.
"""

import os
import pickle
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_RECORDER = """
import _sqlite3, ctypes, os, pickle, struct
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p

class Methods(Structure):
    pass

class File(Structure):
    _fields_ = [("methods", POINTER(Methods))]

CLOSE = CFUNCTYPE(c_int, POINTER(File))
WRITE = CFUNCTYPE(c_int, POINTER(File), c_void_p, c_int, c_int64)
TRUNCATE = CFUNCTYPE(c_int, POINTER(File), c_int64)
SYNC = CFUNCTYPE(c_int, POINTER(File), c_int)
Methods._fields_ = [("version", c_int), ("close", CLOSE), ("read", c_void_p), ("write", WRITE),
    ("truncate", TRUNCATE), ("sync", SYNC), ("others", c_void_p * 13)]

class Vfs(Structure):
    pass

OPEN = CFUNCTYPE(c_int, POINTER(Vfs), c_void_p, POINTER(File), c_int, POINTER(c_int))
DELETE = CFUNCTYPE(c_int, POINTER(Vfs), c_char_p, c_int)
Vfs._fields_ = [("version", c_int), ("size", c_int), ("longest", c_int), ("next", c_void_p),
    ("name", c_char_p), ("data", c_void_p), ("open", OPEN), ("delete", DELETE)]

log = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def note(*what):
    record = pickle.dumps(what)
    os.write(log, struct.pack("I", len(record)) + record)

def recording(theirs, path):
    ours = Methods.from_buffer_copy(theirs)
    write, truncate, sync = theirs.write, theirs.truncate, theirs.sync

    def on_write(file, data, size, offset):
        note("write", path, offset, ctypes.string_at(data, size))
        return write(file, data, size, offset)

    def on_truncate(file, size):
        note("truncate", path, size)
        return truncate(file, size)

    def on_sync(file, flags):
        token = os.urandom(8)
        note("syncing", path, token)
        failed = sync(file, flags)
        if not failed:
            note("synced", path, token)
        return failed

    ours.write, ours.truncate, ours.sync = WRITE(on_write), TRUNCATE(on_truncate), SYNC(on_sync)
    return ours

kept = []
MAIN, WAL = 0x100, 0x80000

def on_open(vfs, name, file, flags, out):
    failed = theirs_open(vfs, name, file, flags, out)
    if not failed and flags & (MAIN | WAL):
        kept.append(recording(file.contents.methods.contents, ctypes.string_at(name).decode()))
        file.contents.methods = ctypes.pointer(kept[-1])
    return failed

def on_delete(vfs, name, sync_folder):
    note("delete", name.decode())
    return theirs_delete(vfs, name, sync_folder)

sqlite = ctypes.CDLL(_sqlite3.__file__)
sqlite.sqlite3_vfs_find.restype = POINTER(Vfs)
sqlite.sqlite3_initialize()
vfs = sqlite.sqlite3_vfs_find(None).contents
theirs_open, theirs_delete = OPEN.from_buffer_copy(vfs.open), DELETE.from_buffer_copy(vfs.delete)
vfs.open, vfs.delete = OPEN(on_open), DELETE(on_delete)
kept += [vfs, vfs.open, vfs.delete]
"""

Survives = Callable[[int], bool]
"""Whether what was written and not synced is there all the same, by its number."""


def nothing(_: int) -> bool:
    return False


class Power:
    """What was written from now on, by every process that has `path` on its PYTHONPATH."""

    def __init__(self, folder: Path, place: Path) -> None:
        """Of the databases in `folder`, which nobody has open yet."""
        self.path = place / "path"
        self.path.mkdir(parents=True)
        self._log = place / "written"
        (self.path / "sitecustomize.py").write_text(_RECORDER.format(log=str(self._log)))
        self._folder = folder
        self._before = place / "before"
        shutil.copytree(folder, self._before)

    def can_be_recorded(self) -> bool:
        """Not where Python keeps its SQLite to itself."""
        probe = self.path / "probe.db"
        code = f"import sqlite3; sqlite3.connect({str(probe)!r}).execute('PRAGMA user_version = 1')"
        environment = {**os.environ, "PYTHONPATH": str(self.path)}
        subprocess.run([sys.executable, "-c", code], env=environment, check=False)
        return self.now() > 0

    def now(self) -> int:
        """A moment, to cut the power at."""
        return self._log.stat().st_size if self._log.exists() else 0

    def cut(self, moment: int, into: Path, survives: Survives = nothing) -> Path:
        """The folder as a cut at that moment leaves it."""
        shutil.copytree(self._before, into)
        files = defaultdict(bytearray)
        for each in into.glob("*.db*"):
            files[str(self._folder / each.name)] = bytearray(each.read_bytes())
            each.unlink()
        _replay(self._records(moment), files, survives)
        for path, content in files.items():
            if Path(path).parent == self._folder:
                (into / Path(path).name).write_bytes(content)
        return into

    def _records(self, moment: int) -> Iterator[tuple[Any, ...]]:
        with self._log.open("rb") as log:
            while log.tell() < moment:
                size = int.from_bytes(log.read(4), sys.byteorder)
                yield pickle.loads(log.read(size))  # noqa: S301 - by our own recorder


def _replay(
    records: Iterator[tuple[Any, ...]], files: defaultdict[str, bytearray], survives: Survives
) -> None:
    written = defaultdict[str, list[tuple[int, tuple[Any, ...]]]](list)
    syncs = dict[bytes, int]()
    for number, (what, path, *details) in enumerate(records):
        if what == "delete":
            files.pop(path, None)
            written.pop(path, None)
        elif what == "syncing":
            syncs[details[0]] = number
        elif what == "synced":
            begun = syncs[details[0]]
            _apply(files[path], (each for at, each in written[path] if at < begun))
            written[path] = [each for each in written[path] if each[0] >= begun]
        else:
            written[path].append((number, (what, *details)))
    for path, left in written.items():
        _apply(files[path], (each for number, each in left if survives(number)))


def _apply(content: bytearray, writes: Iterator[tuple[Any, ...]]) -> None:
    for what, *details in writes:
        if what == "truncate":
            del content[details[0] :]
            continue
        offset, data = details
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(data)] = data
