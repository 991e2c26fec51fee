"""A short soak, for what `make soak` does at length."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.checks_by_itself("the soak ends with the checker, in a process of its own")
@pytest.mark.fault(34, "1,000 random kill -9 over a long run, seeded")
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_ten_kills_lose_nothing_and_repeat_only_what_they_interrupted(engine: str) -> None:
    options = ["--seed", "7", "--kills", "10", "--deliveries", "600", "--engine", engine]
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=10 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines()[1:])
    assert int(figures["deliveries"].replace(",", "")) >= 600
    assert int(figures["attempts they interrupted"]) > 0
    assert (figures["kills"], figures["lost"], figures["broken invariants"]) == ("10", "0", "0")
