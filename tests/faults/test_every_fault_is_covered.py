"""docs/faults.md names the tests of each fault, they are there, and none ends unchecked."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.fault_listing import VARIABLE

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"
NUMBERS = {*range(1, 42), *range(43, 52), *range(60, 71)}
ROW = re.compile(r"\| (\d+) \| (.+?) \| (.+?) \| (.*?) ?\|")

Rows = dict[int, tuple[str, list[str]]]
"""What a fault is called, and its tests."""


def run_pytest(folder: Path, *args: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr  # 1: some failed
    return done.stdout


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What pytest collects."""
    file = tmp_path_factory.mktemp("listing") / "listing.json"
    plugin = ("-p", "tests.support.fault_listing")
    collect = ("--collect-only", "-q", "--snapshot-warn-unused", *plugin)
    run_pytest(ROOT, *collect, **{VARIABLE: str(file)})
    return json.loads(file.read_text())


def described() -> Rows:
    rows = map(ROW.fullmatch, PAGE.read_text().splitlines())
    return {
        int(row[1]): (row[2], re.findall(r"`(.+?)`", row[4])) for row in rows if row is not None
    }


def test_every_fault_is_produced_by_a_test_and_the_page_says_by_which(listing: Any) -> None:
    page, tests = described(), dict[int, tuple[str, list[str]]]()
    for number, name, test in listing["faults"]:
        tests.setdefault(number, (name, []))[1].append(test.removeprefix("tests/"))
    assert set(page) == set(NUMBERS)
    assert page == tests


def test_only_the_soak_is_checked_elsewhere(listing: Any) -> None:
    [test] = listing["unchecked"]
    assert test.startswith("tests/end_to_end/test_soak.py::")


SAMPLE = """
import pytest
from tests.support.notes import notes
from tests.support.scene import NOON, close_database

from core.storage.database import open_database, transaction
from core.storage.models import Business, Webhook
from core.storage.schema import migrate

pytestmark = pytest.mark.fault(1, "a sample")

@pytest.fixture
def database(tmp_path):
    open_database(f"sqlite:///{tmp_path / 'test.db'}", create=True)
    migrate()
    yield
    close_database()

def test_in_order(database):
    pass

def test_that_lost_an_event(database):
    notes().published.append("t-1")

def test_with_a_secret_that_was_not_noted(database):
    times = {"created_at": NOON, "updated_at": NOON}
    with transaction():
        shop = Business.create(name="A", edition="group", option=False, created_at=NOON)
        Webhook.create(business=shop, url="https://example.com/", secret=b"sealed", **times)

def test_without_tables():
    pass

@pytest.mark.checks_by_itself("for the sample")
def test_checked_elsewhere():
    pass
"""


def test_a_fault_s_test_that_breaks_an_invariant_or_leaves_nothing_to_check_fails(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    assert request.config.pluginmanager.hasplugin("tests.support.checked")
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    plugin = ("-p", "tests.support.checked")
    told = run_pytest(tmp_path, *plugin, "-rA", "-W", "ignore", "--rootdir", str(tmp_path))
    outcomes = re.findall(r"^(PASSED|FAILED) test_sample.py::test_(\w+)", told, re.MULTILINE)
    assert {name: outcome for outcome, name in outcomes} == {
        "in_order": "PASSED",
        "that_lost_an_event": "FAILED",
        "with_a_secret_that_was_not_noted": "FAILED",
        "without_tables": "FAILED",
        "checked_elsewhere": "PASSED",
    }
    assert "the event t-1 was committed and is gone" in told
    assert "must leave tables to check" in told
    assert "secret or a receiver was not noted" in told
