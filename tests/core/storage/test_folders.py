"""What is done in a folder, and by whom."""

import os
import stat
from pathlib import Path

import pytest

from core.errors import BadInput
from core.storage import folders
from core.storage.database import connection, explained, open_database, proxy
from core.storage.folders import make_private, opened_folder, taking_turns, told_of_owner
from tests.support.accounts import NOBODY, as_nobody, let_in, needs_root
from tests.support.databases import SqliteFiles
from tests.support.scene import close_database


def test_turns_are_taken_and_a_wait_for_one_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_PATIENCE", 0.1)
    with (
        taking_turns(tmp_path),
        pytest.raises(BadInput, match="is at work in"),
        taking_turns(tmp_path),
    ):
        pass
    with taking_turns(tmp_path):
        pass


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("precious")
    make_private(tmp_path / "there")
    assert (tmp_path / "there").read_text() == "precious"
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    make_private(tmp_path / "link")
    assert not (tmp_path / "gone").exists()


@needs_root
def test_what_root_makes_among_an_accounts_files_is_the_accounts(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    make_private(tmp_path / "new")
    about = (tmp_path / "new").stat()
    assert (about.st_uid, stat.S_IMODE(about.st_mode)) == (NOBODY, 0o600)
    tmp_path.chmod(0o1777)
    make_private(tmp_path / "other")
    assert (tmp_path / "other").stat().st_uid == 0


def test_our_own_file_is_nothing_to_tell(tmp_path: Path) -> None:
    (tmp_path / "ours").touch()
    assert told_of_owner(tmp_path / "ours") == told_of_owner(tmp_path / "gone") == ""


@needs_root
def test_a_database_that_root_put_back_says_who_must_own_it(
    tmp_path: Path, sqlite_files: SqliteFiles
) -> None:
    database = tmp_path / "a.db"
    sqlite_files.make(f"sqlite:///{database}")
    database.chmod(0o600)
    os.chown(tmp_path, NOBODY, NOBODY)
    let_in(tmp_path)
    remedy = f"{database} belongs to root, and must to nobody: run `chown nobody: {database}`."
    assert told_of_owner(database) == remedy

    def use() -> None:
        open_database(f"sqlite:///{database}")
        with explained(), connection():
            proxy.execute_sql("DELETE FROM event")

    assert as_nobody(use) == f"The database cannot be used: {remedy}"
    database.chmod(0o644)
    assert as_nobody(use) == f"The database cannot be used: {remedy}"
    os.chown(database, NOBODY, NOBODY)
    assert as_nobody(use) == "done"
    close_database()


def test_a_folder_is_let_go_of(tmp_path: Path) -> None:
    with opened_folder(tmp_path) as folder:
        assert os.fstat(folder)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(folder)
