"""A pytest plugin that writes down which collected tests produce which faults, as JSON.

And which of those do not end with the checker of invariants.
"""

import json
import os
from pathlib import Path

import pytest

VARIABLE = "FAULT_LISTING"


def pytest_collection_finish(session: pytest.Session) -> None:
    faults, unchecked = set(), set()
    for item in session.items:
        test = item.nodeid.partition("[")[0]
        faults |= {(*mark.args, test) for mark in item.iter_markers("fault")}
        unchecked |= {test for _ in item.iter_markers("checks_by_itself")}
    listing = {"faults": sorted(faults), "unchecked": sorted(unchecked)}
    Path(os.environ[VARIABLE]).write_text(json.dumps(listing))
