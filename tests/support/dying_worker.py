"""The real worker, put together so that it can die where a test wants it to.

COMMAND with CONFIG, STEP and NTH ends itself with SIGKILL as it passes the step for the nth time;
with CONFIG alone it works until it is told to end. Its leases are short: one second, or as many as
are named then. Of several that are given one MARK last, a file that is not there yet, only the
first to come that far dies.
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from core.config import load_config
from core.pipeline.steps import Step, watch
from tui.cli.logs import log_to_stderr
from tui.cli.worker import consume

COMMAND = [sys.executable, "-m", "tests.support.dying_worker"]


def run_worker(config: Path, lease: timedelta, log: Path | None = None) -> None:
    """A worker until it is told to end, whose claims are good for `lease` instead of 30 s.

    What it says is added to `log`, or goes to stderr.
    """
    if log is not None:
        with log.open("ab") as file:
            os.dup2(file.fileno(), sys.stderr.fileno())
    log_to_stderr("text", verbose=False)
    consume(load_config(config), lease_for=lease)


def die_at(step: Step, nth: int, mark: Path | None = None) -> Callable[[Step], None]:
    """A watcher that kills this process as it passes the step for the nth time, unless another one
    has left the mark.
    """
    passings = 0

    def watcher(passing: Step) -> None:
        nonlocal passings
        passings += passing is step
        if passing is step and passings == nth and (mark is None or _leaves(mark)):
            os.kill(os.getpid(), signal.SIGKILL)

    return watcher


def _leaves(mark: Path) -> bool:
    """Whether this process is the one that makes the file, which only one can."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


if __name__ == "__main__":
    _, config, *death = sys.argv
    if death:
        watch(die_at(Step(death[0]), int(death[1]), *map(Path, death[3:])))
    run_worker(Path(config), timedelta(seconds=int(death[2]) if len(death) > 2 else 1))
