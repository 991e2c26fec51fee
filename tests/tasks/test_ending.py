"""How long a worker that is told to end may take, beside what README's services allow it."""

import re
from pathlib import Path

from tasks.ending import LAST_WORDS, WITHIN


def test_a_worker_ends_by_itself_before_systemd_kills_it() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    allowed = re.findall(r"^TimeoutStopSec=(\d+)$", readme, re.MULTILINE)
    assert allowed
    assert min(map(int, allowed)) > WITHIN + LAST_WORDS
