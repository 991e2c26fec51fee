"""A pytest plugin that ends every test of a fault with the checker of invariants.

It looks at what the test leaves in its tables and with its receivers, before any fixture ends.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.config import load_config
from core.domain.delivery import Schedule
from core.storage.database import open_database, proxy
from core.verification.evidence import Evidence
from core.verification.invariants import check
from tests.support.notes import Notes, begin_notes, notes
from tests.support.scene import SCHEDULE, close_database


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    begin_notes()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    outcome = yield
    is_fault = pyfuncitem.get_closest_marker("fault") is not None
    if is_fault and pyfuncitem.get_closest_marker("checks_by_itself") is None:
        if "tmp_path" in pyfuncitem.funcargs:
            notes().folders.add(pyfuncitem.funcargs["tmp_path"])
        with _its_database(pyfuncitem):
            found = evidence()
            assert check(found) == []
            assert _is_whole(found), "a webhook's secret or a receiver was not noted"
    return outcome


def _is_whole(found: Evidence) -> bool:
    """Whether the checker was told of every secret there is, and of who answered."""
    usable = {row.id for row in found.history.webhooks.values() if row.secret is not None}
    answered = any(row.http_status for log in found.history.attempts.values() for row in log)
    return usable <= found.secrets.keys() and (not answered or bool(found.posts))


@contextmanager
def _its_database(test: pytest.Function) -> Iterator[None]:
    urls = {load_config(config).database.url for config in notes().configs}
    if urls:
        [url] = urls
        with _bound_to(url):
            yield
    elif "database" in test.fixturenames:
        yield
    else:
        pytest.fail("a test of a fault must leave tables to check")


@contextmanager
def _bound_to(url: str) -> Iterator[None]:
    before = proxy.obj
    open_database(url)
    try:
        yield
    finally:
        close_database()
        if before is not None:
            proxy.initialize(before)


def evidence() -> Evidence:
    """What the test that runs has noted, and the bound database."""
    noted = notes()
    said = {name: tell() for name, tell in noted.said.items()}
    return Evidence(
        [post for receiver in noted.receivers for post in receiver.posts],
        _schedule(noted),
        published=noted.published,
        older=noted.older,
        secrets=noted.secrets,
        places={**said, **_files(noted)},
        deletions=noted.deletions,
        healthy=noted.healthy,
        set_back=noted.set_back,
    )


def _schedule(noted: Notes) -> Schedule:
    if noted.configs:
        delivery = load_config(noted.configs[0]).delivery
        return Schedule(delivery.retry_after, delivery.max_attempts)
    return noted.schedule or SCHEDULE


def _files(noted: Notes) -> dict[str, bytes]:
    files: set[Path] = {path for folder in noted.folders for path in folder.rglob("*")}
    return {str(path): path.read_bytes() for path in files if path.is_file()}
