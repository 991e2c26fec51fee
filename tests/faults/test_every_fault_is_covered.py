"""docs/faults.md names the tests of each fault, and they are there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from fault_listing import VARIABLE

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"
NUMBERS = range(1, 35)
ROW = re.compile(r"\| (\d+) \| (.+?) \| (.+?) \| (.*?) ?\|")

Rows = dict[int, tuple[str, list[str]]]
"""What a fault is called, and its tests."""


def described() -> Rows:
    rows = map(ROW.fullmatch, PAGE.read_text().splitlines())
    return {
        int(row[1]): (row[2], re.findall(r"`(.+?)`", row[4])) for row in rows if row is not None
    }


def marked(listing: Path) -> Rows:
    collect = ["--collect-only", "-q", "--snapshot-warn-unused", "-p", "fault_listing"]
    subprocess.run(
        [sys.executable, "-m", "pytest", *collect],
        cwd=ROOT,
        env={
            **os.environ,
            VARIABLE: str(listing),
            "PYTHONPATH": str(ROOT / "tests" / "support"),
        },
        check=True,
        capture_output=True,
    )
    found: Rows = {}
    for number, name, test in json.loads(listing.read_text()):
        found.setdefault(number, (name, []))[1].append(test.removeprefix("tests/"))
    return found


def test_every_fault_is_produced_by_a_test_and_the_page_says_by_which(tmp_path: Path) -> None:
    page, tests = described(), marked(tmp_path / "listing.json")
    assert set(page) == set(NUMBERS)
    assert page == tests
