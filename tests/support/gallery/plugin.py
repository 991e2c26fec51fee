"""A pytest plugin that makes the gallery of whatever tests of screens run.

pytest-textual-snapshot keeps the last picture of each test, the ones that pass too, in a file until
the run ends. What is in it is taken over at once: that leaves nothing for its own report, which
shows only what differs, and the environment with it.
"""

import inspect
import pickle
import sys
from collections.abc import Callable, Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pytest_textual_snapshot import node_to_report_path
from textual.pilot import Pilot

from core.use_cases.settings import Theme
from tests.support.gallery.page import Picture, write
from tui.session import Session

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
        in_themes: dict[str, str] = {}

        async def run_and_look(pilot: Any) -> None:
            if inspect.isawaitable(waited_for := run_before and run_before(pilot)):
                await waited_for
            on_top.append(type(pilot.app.screen).__module__)
            in_themes.update(await _in_themes(pilot))

        is_same = compare(app, *args, run_before=run_and_look, **how)
        test.user_properties.append((_PROPERTY, asdict(_picture(test, on_top[-1], in_themes))))
        return is_same

    return compare_and_note


async def _in_themes(pilot: Pilot[None]) -> dict[str, str]:
    """What is on the screen in every theme but the usual one, in which it is left."""
    app = pilot.app
    if not isinstance(app, Session):
        return {}
    drawn, chosen = {}, app.settings.theme
    for theme in (*_OTHER_THEMES, chosen):
        app.use_theme(theme)
        await pilot.pause()
        drawn[str(theme)] = app.export_screenshot()
    return {theme: drawn[theme] for theme in _OTHER_THEMES}


def _picture(test: pytest.Function, screen: str, in_themes: dict[str, str]) -> Picture:
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
        in_themes=in_themes,
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
