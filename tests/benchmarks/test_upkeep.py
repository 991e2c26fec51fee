"""What is measured in one process runs, with few of everything; on both engines."""

from pathlib import Path

import pytest

from core.storage.database import open_database
from tests.benchmarks import report, upkeep
from tests.support.scene import close_database

FEW = {"FEW": 1, "MANY": 3, "PASSES": 2, "EVENTS": 20, "BATCH": 10, "CHOOSY": 3, "EACH": 2}
PARTS = "look around", "ingest", "conditions"


@pytest.mark.parametrize("part", PARTS)
def test_it_measures_something(
    part: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in FEW.items():
        monkeypatch.setattr(upkeep, name, number)
    open_database(database_url, create=True)
    figures = upkeep.PARTS[part](tmp_path, database_url, "")
    close_database()
    measured = {name: {} for name in ("idle", "publication", *PARTS)} | {part: {"engine": figures}}
    [(_, told, *_)] = report.upkeep(measured)
    assert told
