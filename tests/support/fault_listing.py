"""A pytest plugin that writes down which collected tests produce which faults, as JSON."""

import json
import os
from pathlib import Path

import pytest

VARIABLE = "FAULT_LISTING"


def pytest_collection_finish(session: pytest.Session) -> None:
    found = {
        (*mark.args, item.nodeid.partition("[")[0])
        for item in session.items
        for mark in item.iter_markers("fault")
    }
    Path(os.environ[VARIABLE]).write_text(json.dumps(sorted(found)))
