"""A pytest plugin that makes the gallery of whatever tests of screens run.

pytest-textual-snapshot keeps the last picture of each test, the ones that pass too, in a file until
the run ends. What is in it is taken over at once: that leaves nothing for its own report, which
shows only what differs, and the environment with it.
"""

import asyncio
import inspect
import pickle
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from pytest_textual_snapshot import node_to_report_path
from textual.pilot import Pilot

from core.domain.language import Language
from core.use_cases.settings import Glyphs, Theme
from tests.support.catalogues import TRANSLATED
from tests.support.gallery.page import Picture, write
from tests.support.showcase import OnePage
from tui.app import WebhooksApp
from tui.session import Session

Script = Callable[[Pilot[None]], Awaitable[None]]
_OTHER_THEMES = (Theme.DARK, Theme.LIGHT, Theme.NONE)
PAGE = Path("build/gallery.html")
_PROPERTY = "picture"  # of a test's report, which comes here from the process that ran the test


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    if "snap_compare" in pyfuncitem.funcargs:
        compare = pyfuncitem.funcargs["snap_compare"]
        pyfuncitem.funcargs["snap_compare"] = _noting(pyfuncitem, compare)
    return (yield)


def _noting(test: pytest.Function, compare: Callable[..., bool]) -> Callable[..., bool]:
    def compare_and_note(app: Any, *args: Any, run_before: Any = None, **how: Any) -> bool:
        on_top: list[str] = []
        looks: dict[str, str] = {}

        async def run_and_look(pilot: Any) -> None:
            if inspect.isawaitable(waited_for := run_before and run_before(pilot)):
                await waited_for
            on_top.append(type(pilot.app.screen).__module__)
            looks.update(await drawn_otherwise(pilot))

        is_same = compare(app, *args, run_before=run_and_look, **how)
        looks.update(_in_other_languages(app, run_before, how.get("terminal_size", (80, 24))))
        test.user_properties.append((_PROPERTY, asdict(_picture(test, on_top[-1], looks))))
        return is_same

    return compare_and_note


async def drawn_otherwise(pilot: Pilot[None]) -> dict[str, str]:
    """What is on the screen in every other theme, and in ASCII; then it is as it was."""
    app = pilot.app
    if not isinstance(app, Session):
        return {}
    drawn, chosen = dict[str, str](), app.settings
    for theme in _OTHER_THEMES:
        app.use_theme(theme)
        await pilot.pause()
        drawn[theme.value] = app.export_screenshot()
    app.use_theme(chosen.theme)
    app.use_glyphs(Glyphs.ASCII)
    await pilot.pause()
    drawn[Glyphs.ASCII.value] = app.export_screenshot()
    app.use_glyphs(chosen.glyphs)
    await pilot.pause()
    return drawn


def _in_other_languages(app: object, script: Script, size: tuple[int, int]) -> dict[str, str]:
    """The same scene played again; without those that leave nothing to play it with."""
    drawn: dict[str, str] = {}
    if isinstance(app, WebhooksApp):
        for language in TRANSLATED:
            with suppress(Exception):
                drawn[language.value] = asyncio.run(_played(_speaking(app, language), script, size))
    return drawn


def _speaking(app: WebhooksApp, language: Language) -> WebhooksApp:
    settings = replace(app.desk.settings, language=language)
    desk = replace(app.desk, settings=settings)
    return OnePage(desk, app.make_page) if isinstance(app, OnePage) else WebhooksApp(desk)


async def _played(app: WebhooksApp, script: Script, size: tuple[int, int]) -> str:
    async with app.run_test(size=size) as pilot:
        await script(pilot)
        return app.export_screenshot()


def _picture(test: pytest.Function, screen: str, looks: dict[str, str]) -> Picture:
    kept = node_to_report_path(test)
    is_same, old, new, *_, has_old = pickle.loads(kept.read_bytes())  # noqa: S301 - written above
    kept.unlink()
    return Picture(
        order=test.session.items.index(test),
        screen=screen,
        about=_first_line(sys.modules[screen]),
        test=test.nodeid,
        title=_title(test),
        detail=_first_line(test.function),
        old=str(old) if has_old else None,
        new=None if is_same else new,
        looks=looks,
    )


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _title(test: pytest.Function) -> str:
    """The test's own words: those of its parameters, and of its name where that says more."""
    words = [] if test.originalname == "test_screen" else [test.originalname.removeprefix("test_")]
    if hasattr(test, "callspec"):
        words.append(test.callspec.id)
    return ", ".join(words).replace("_", " ") or "screen"


class Gallery:
    """Waits for the reports of all processes, then writes the page."""

    def __init__(self) -> None:
        self._pictures: list[Picture] = []
        self._broken: list[str] = []
        self._is_written = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        pictures = [value for name, value in report.user_properties if name == _PROPERTY]
        if report.when == "call":
            self._pictures += [Picture(**picture) for picture in pictures]
        if report.failed and not pictures:
            self._broken.append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """What differs is on the page: it does not fail the run, as what broke does."""
        if session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
            self._write()
            failed = pytest.ExitCode.TESTS_FAILED if self._broken else pytest.ExitCode.OK
            session.exitstatus = failed

    def _write(self) -> None:
        PAGE.parent.mkdir(exist_ok=True)
        with PAGE.open("w", encoding="utf-8") as page:
            write(page, self._pictures, self._broken)
        self._is_written = True

    def pytest_unconfigure(self) -> None:
        if self._is_written:
            print(f"Open {PAGE.resolve()}")  # noqa: T201 - after pytest's own last line


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Gallery())
