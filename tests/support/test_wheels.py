"""The table of what newcomers can install, and that it fails where they could not."""

import pytest

from tests.support import wheels
from tests.support.wheels import PLATFORMS, PYTHONS, lines, reason, table

TOLD = """Using CPython 3.11.7
error: No solution found when resolving dependencies
  cause: Because ancient==6.2.912183 has no usable wheels and you require ancient==6.2.912183, we
can conclude that your requirements are unsatisfiable.
"""


def lacking(lock: str, python: str, platform: str) -> str:
    wheelless = lock == "requirements-dev.lock" and python == "3.14" and "aarch64" in platform
    return reason(TOLD) if wheelless else ""


def test_the_table_tells_what_is_missing_and_where() -> None:
    told = list(lines(table(lacking)))
    assert told[0].split() == ["Python", "Linux", "x86-64", "Linux", "ARM", "macOS", "ARM"]
    assert [line.split() for line in told[1:4]] == [[each, *["ok"] * 3] for each in PYTHONS[:3]]
    assert told[4].split() == ["3.14", "ok", "missing", "missing"]
    assert told[5:] == [
        f"Python 3.14 on {each}: requirements-dev.lock: no wheel of ancient==6.2.912183."
        for each in list(PLATFORMS)[1:]
    ]


@pytest.mark.parametrize(("missing", "code"), [(lacking, 1), (lambda *_: "", 0)])
def test_it_fails_where_something_is_missing(
    missing: wheels.Missing, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "missing", missing)
    assert wheels.main() == code


def test_what_is_no_missing_wheel_is_told_in_uvs_words() -> None:
    assert reason("error: Could not\n connect\n") == "error: Could not connect"
