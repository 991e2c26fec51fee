"""A filled database, and a desk; no variable of the developer's reaches a screen."""

import os
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension
from textual.css.stylesheet import Stylesheet
from textual.pilot import Pilot

from core.storage.database import open_database
from core.storage.vault import Vault, load_vault
from core.use_cases.businesses import add_business
from tests.support.beyond_ascii import beyond_ascii
from tests.support.contrast import unreadable
from tests.support.databases import SqliteFiles
from tests.support.installation import Storage
from tests.support.scene import NOON, OPERATOR, close_database
from tests.support.showcase import at_rest, fill, make_desk
from tui.app import WebhooksApp
from tui.desk import Desk

Script = Callable[[Pilot[None]], Awaitable[None]]
_WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


class Picture(SVGImageExtension):
    """A snapshot that asks nobody for its fonts."""

    file_extension = "svg"

    def serialize(self, data: Any, **how: Any) -> Any:
        return super().serialize(_WEB_FONT.sub("", data), **how)


@pytest.fixture(scope="session", autouse=True)
def _stylesheets_read_once() -> Iterator[None]:
    """Each app reads the same ones, an eighth of its start: what a sheet with given variables says
    is remembered for the next app."""
    read, known = Stylesheet._parse_rules, {}

    def reads(sheet: Stylesheet, *asked: Any, **more: Any) -> Any:
        key = (tuple(sheet._variables.items()), asked, tuple(more.items()))
        if key not in known:
            known[key] = read(sheet, *asked, **more)
        return known[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Stylesheet, "_parse_rules", reads)
        yield


@pytest.fixture(autouse=True)
def _pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_textual_snapshot.SVGImageExtension", Picture)


@pytest.fixture
def snap_compare(
    snap_compare: Callable[..., bool], pytestconfig: pytest.Config
) -> Callable[..., bool]:
    """Compares the picture, once what is on it has been read in every theme and in ASCII; with
    --quick the picture alone, since to read it takes longer than all the rest.
    """
    readers = () if pytestconfig.getoption("quick") else (unreadable, beyond_ascii)

    def compare(app: WebhooksApp, *, run_before: Script, **how: Any) -> bool:
        found: list[str] = []

        async def run_and_read(pilot: Pilot[None]) -> None:
            await run_before(pilot)
            await at_rest(pilot)
            for read in readers:
                found.extend(await read(pilot))

        is_same = snap_compare(app, run_before=run_and_read, **how)
        assert found == []
        return is_same

    return compare


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever compares a picture is a test of a screen: `make screens` runs those."""
    for item in items:
        if "snap_compare" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.screen)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish() -> Iterator[None]:
    """The report of what differs prints the environment, which may hold secrets: hide it."""
    kept = dict(os.environ)
    for name in kept:
        if not name.startswith(("TEXTUAL_SNAPSHOT_", "PYTEST_")):
            del os.environ[name]
    yield
    os.environ.update(kept)


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TEXTUAL_THEME", "TERM", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")


@pytest.fixture(scope="session")
def filled_files(shared_key: Path, tmp_path_factory: pytest.TempPathFactory) -> SqliteFiles:
    """Copies of Marie's desk with its past: to write it takes ten times as long."""
    vault = load_vault(shared_key)
    return SqliteFiles(tmp_path_factory.mktemp("filled"), lambda: _write_past(vault))


def _write_past(vault: Vault) -> None:
    _add_chez_marie()
    fill(vault, 1)


def _add_chez_marie() -> None:
    add_business(OPERATOR, "Chez Marie", "group", "marie", NOON)


def _open(storage: Storage, files: SqliteFiles, tmp_path: Path) -> None:
    url = storage.database or f"sqlite:///{tmp_path / 'ui.db'}"
    if not storage.database:
        files.make(url)
    open_database(url)


@pytest.fixture
def empty(
    storage: Storage, sqlite_files: SqliteFiles, tmp_path: Path, vault: Vault
) -> Iterator[Desk]:
    """Marie's desk before her first webhook."""
    _open(storage, sqlite_files, tmp_path)
    _add_chez_marie()
    yield make_desk(vault)
    close_database()


@pytest.fixture
def desk(
    storage: Storage, filled_files: SqliteFiles, tmp_path: Path, vault: Vault
) -> Iterator[Desk]:
    """Marie's desk with three webhooks and their past."""
    _open(storage, filled_files, tmp_path)
    if storage.database:
        _write_past(vault)
    yield make_desk(vault)
    close_database()


@pytest.fixture
def app(desk: Desk) -> WebhooksApp:
    return WebhooksApp(desk)
