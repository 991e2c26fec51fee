"""The real command, whose clock is as far from the machine's as a file says at every moment.

Called with that file's path and the command's own arguments. The monotonic clock is left alone,
as it is when somebody sets the other.
"""

import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine


def follow(offset: Path, clock: time_machine.Traveller, set_to: float) -> None:
    while True:
        time.sleep(0.02)  # between two looks at the file
        wanted = float(offset.read_text() or set_to)
        if wanted != set_to:
            clock.shift(timedelta(seconds=wanted - set_to))
            set_to = wanted


def main() -> None:
    offset = Path(sys.argv.pop(1))
    seconds = float(offset.read_text())
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds), tick=True) as clock:
        watch = threading.Thread(target=follow, args=(offset, clock, seconds), daemon=True)
        watch.start()
        from tui.cli.main import main as command  # noqa: PLC0415 - every part under this clock

        command()


main()
