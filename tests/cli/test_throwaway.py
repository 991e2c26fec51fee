"""A throw-away folder, and what is left of those before it."""

import tempfile
from pathlib import Path

import pytest

from tui.cli.throwaway import throwaway_folder

LEFT = "aurapos-webhooks-demo-left"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left_behind(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.toml").touch()
    return folder


def test_it_goes_with_the_block(temporary: Path) -> None:
    with throwaway_folder() as folder:
        (folder / "file").touch()
        assert folder.parent == temporary
    assert list(temporary.iterdir()) == []


def test_what_a_killed_one_left_is_removed_by_the_next(temporary: Path) -> None:
    left = left_behind(temporary / LEFT)
    with throwaway_folder():
        assert not left.exists()


def test_that_of_one_who_is_still_there_stays(temporary: Path) -> None:
    with throwaway_folder() as first:
        (first / "file").touch()
        with throwaway_folder():
            assert (first / "file").exists()
    assert list(temporary.iterdir()) == []


def test_one_that_has_only_just_been_made_stays(temporary: Path) -> None:
    (temporary / LEFT).mkdir()
    with throwaway_folder():
        assert (temporary / LEFT).exists()


def test_nobody_can_have_another_folder_removed_by_a_link(temporary: Path) -> None:
    mine = left_behind(temporary / "mine")
    (temporary / LEFT).symlink_to(mine)
    with throwaway_folder():
        assert (mine / "config.toml").exists()
