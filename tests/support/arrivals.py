"""Which of several real workers have come to a step, so that a test can wait for each of them."""

import os
from pathlib import Path

from core.pipeline.steps import Step, watch
from tests.support.installation import command_after


def arriving(folder: Path, step: Step) -> list[str]:
    """The command, of which each process is noted in the folder as it first passes the step. No
    tick wakes any.
    """
    noting = f"arrivals.note_arrival({str(folder)!r}, {step.value!r})"
    no_tick = "from huey.consumer import Scheduler; Scheduler.periodic_task_seconds = 3600"
    return command_after(f"from tests.support import arrivals; {noting}\n{no_tick}")


def arrived(folder: Path) -> int:
    """How many processes have come."""
    return len(list(folder.iterdir()))


def note_arrival(folder: str, step: str) -> None:
    """What a process that is to be noted has to do first."""

    def watcher(passing: Step) -> None:
        if passing == step:
            watch(lambda _: None)
            (Path(folder) / str(os.getpid())).touch()

    watch(watcher)
