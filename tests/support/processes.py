"""Which processes there are, without `ps` where /proc tells it: a minimal Debian has no `ps`."""

import subprocess
from pathlib import Path

_PROC = Path("/proc")


def children(pid: int) -> list[int]:
    """Whom that process has started."""
    return [child for child, (_, parent) in _all().items() if parent == pid]


def alive(pid: int) -> bool:
    """Whether it still runs: what only waits for its parent to hear of its end does not."""
    state, _ = _all().get(pid, ("Z", 0))
    return not state.startswith("Z")


def is_stopped(pid: int) -> bool:
    """Whether a signal holds it, all its threads with it."""
    state, _ = _all().get(pid, ("Z", 0))
    return state.startswith("T")


def _all() -> dict[int, tuple[str, int]]:
    """State and parent of each."""
    if (_PROC / "self").exists():
        pids = [int(each.name) for each in _PROC.iterdir() if each.name.isdecimal()]
        lines = [f"{pid} {_stat(pid)}".split() for pid in pids]
    else:  # macOS, which always has `ps`
        listed = ["ps", "-A", "-o", "pid=,state=,ppid="]
        told = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
        lines = [line.split() for line in told.splitlines()]
    return {int(line[0]): (line[1], int(line[2])) for line in lines if len(line) > 2}


def _stat(pid: int) -> str:
    """State, parent and more; nothing of a process that has ended meanwhile."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return stat.rpartition(")")[2]  # behind its name, which may be any text
