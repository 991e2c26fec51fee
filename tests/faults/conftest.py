"""The command on each engine, with the tables bound in the test too."""

from pathlib import Path

import pytest

from tests.support.installation import FAST, Installation, Storage


@pytest.fixture
def installation(tmp_path: Path, database: str) -> Installation:
    made = Installation(tmp_path, FAST, Storage(database))
    made.init()
    return made
