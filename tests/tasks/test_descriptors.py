"""With fewer descriptors than places, fewer POSTs at once: nothing is claimed in vain."""

import resource

import pytest

from tasks.descriptors import affordable


@pytest.mark.parametrize(
    ("allowed", "wanted", "most"),
    [(1024, 256, 256), (1024, 2000, 896), (64, 256, 1), (resource.RLIM_INFINITY, 2000, 2000)],
)
def test_as_many_as_there_are_descriptors_for(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    allowed: int,
    wanted: int,
    most: int,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    assert affordable(wanted) == most
    assert ("open files" in caplog.text) == (most < wanted)
