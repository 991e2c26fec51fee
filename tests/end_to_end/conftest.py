from collections.abc import Iterator
from pathlib import Path

import pytest
from installation import Installation
from scripted import Scripted, receiving


@pytest.fixture
def installed(tmp_path: Path) -> Installation:
    """Initialised, with fast retries, for a business of the edition that includes webhooks."""
    installation = Installation(tmp_path)
    installation.init()
    return installation


@pytest.fixture
def receiver() -> Iterator[Scripted]:
    """Answers 200 to everything."""
    with receiving() as scripted:
        yield scripted
