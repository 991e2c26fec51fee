"""How much memory a process holds, as Linux tells it in /proc."""

import os
import re
from pathlib import Path


def resident(pid: int) -> int:
    """Bytes of memory that a process holds now."""
    return _told("VmRSS", pid)


def most_resident() -> int:
    """The most bytes that this one has held: `ru_maxrss` would begin with its parent's."""
    return _told("VmHWM", os.getpid())


def _told(name: str, pid: int) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024
