"""What many tests need: the tables on both engines, a vault, a business with an owner."""

import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

import pytest
import redis
from hypothesis import settings

from core.storage.database import open_database
from core.storage.vault import Vault, create_key_file, load_vault
from core.use_cases.businesses import add_business
from tests.support import servers
from tests.support.databases import PostgresDatabases, SqliteFiles
from tests.support.installation import FAST, Installation, Storage
from tests.support.scene import NOON, OPERATOR, close_database
from tests.support.scripted import Scripted, receiving
from tui.cli.init import set_up

pytest_plugins = ["tests.support.checked"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick",
        action="store_true",
        help="Only what starts no server and no command, and nothing slow.",
    )
    parser.addoption(
        "--deliveries",
        type=int,
        default=4_000,
        help="How large a backlog several workers drain.",
    )


_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - each test has a folder of its own there
_ENOUGH = 4 * 2**30  # bytes: some times what the tests need
_OF_PROCESSES = {"docs", "end_to_end", "faults"}  # the folders of what runs as several
_STARTS_SOME = {"a_server", "install"}  # fixtures: of a server, and of the program's commands
_OBJECTS = 100_000  # made between two collections: at Python's 700 they take an eighth of the time


def pytest_configure(config: pytest.Config) -> None:
    gc.set_threshold(_OBJECTS, 50, 100)
    settings.register_profile("busy", deadline=None)  # how long an example takes decides nothing
    settings.load_profile("busy")
    if "TMPDIR" not in os.environ and _has_room(_IN_MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(_IN_MEMORY)  # a third faster than a disk
    if config.getoption("quick"):
        config.option.warn_unused_snapshots = True  # of the tests that are left out


def _has_room(folder: Path) -> bool:
    if not os.access(folder, os.W_OK):
        return False
    there = os.statvfs(folder)
    runs_programs = not there.f_flag & getattr(os, "ST_NOEXEC", 0)
    return runs_programs and there.f_bavail * there.f_frsize > _ENOUGH


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if not (_is_on_servers(item) and _is_for_files(item))]
    if config.getoption("quick"):
        config.hook.pytest_deselected(items=[item for item in items if not _is_quick(item)])
        items[:] = filter(_is_quick, items)
    processes = getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = _longest_first(items, processes)


def pytest_collection_finish() -> None:
    gc.freeze()  # what is imported and collected stays to the end: no collection walks it again


def _longest_first(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    """What takes long spread over the processes, in the first third of the part that each is dealt:
    none begins one when the others have ended. Most of it waits for processes of its own, so short
    ones come in between. (`--dist worksteal` deals equal parts in order, and takes from their
    ends.)
    """
    long = sorted(_units([item for item in items if _takes_long(item)]), key=_precedence)
    others = iter([item for item in items if not _takes_long(item)])
    dealt: list[pytest.Item] = []
    for process in range(processes):
        part = (len(items) - len(dealt)) // (processes - process)
        units = long[process::processes]
        short = _units(list(islice(others, max(0, part - sum(map(len, units))))))
        between, left = len(short) // (3 * max(1, len(units))), iter(short)
        for unit in units:
            dealt += chain(unit, *islice(left, between))
        dealt += chain.from_iterable(left)
    return dealt


def _takes_long(item: pytest.Item) -> bool:
    return _is_slow(item) or item.path.parent.name in _OF_PROCESSES


def _precedence(unit: list[pytest.Item]) -> tuple[int, bool]:
    """The largest unit first; of equal ones, what is marked slow."""
    return -len(unit), not any(map(_is_slow, unit))


def _units(items: list[pytest.Item]) -> list[list[pytest.Item]]:
    """Tests that share a fixture of their module belong together: each process would make it."""
    units: dict[str, list[pytest.Item]] = {}
    for item in items:
        units.setdefault(_module_shared_by(item) or item.nodeid, []).append(item)
    return list(units.values())


def _module_shared_by(item: pytest.Item) -> str:
    if not isinstance(item, pytest.Function):
        return ""
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    return str(item.path) if any(each[-1].scope == "module" for each in fixtures) else ""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    of_processes = collection_path.name in _OF_PROCESSES
    return True if of_processes and config.getoption("quick") else None


def _is_for_files(item: pytest.Item) -> bool:
    return item.get_closest_marker("files_only") is not None


def _is_on_servers(item: pytest.Item) -> bool:
    return _parameters(item).get("storage") == "servers"


def _parameters(item: pytest.Item) -> dict[str, object]:
    called = getattr(item, "callspec", None)
    return called.params if called else {}


def _is_quick(item: pytest.Item) -> bool:
    """By its fixtures, so that nobody has to mark it."""
    on_postgresql = _parameters(item).get("engine") == "postgres" or _is_on_servers(item)
    starts_some = not _STARTS_SOME.isdisjoint(getattr(item, "fixturenames", ()))
    return not (on_postgresql or _is_slow(item) or starts_some)


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


@pytest.fixture(scope="session")
def a_server() -> None:
    """Whichever fixture starts one asks for this, so that --quick leaves its tests out."""


@pytest.fixture(scope="session")
def postgres_server(a_server: None) -> Iterator[str]:
    """A real PostgreSQL of this test process's own."""
    with servers.postgres_server("fsync=off") as url:
        yield url


@pytest.fixture(scope="session")
def postgres_databases(postgres_server: str) -> Iterator[PostgresDatabases]:
    with closing(PostgresDatabases(postgres_server)) as databases:
        yield databases


@pytest.fixture
def postgres_url(postgres_databases: PostgresDatabases) -> Iterator[str]:
    """A new database on it, with nothing in it."""
    with postgres_databases.new() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_files(tmp_path_factory: pytest.TempPathFactory) -> SqliteFiles:
    return SqliteFiles(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def redis_urls(a_server: None) -> Iterator[tuple[str, str]]:
    """A real Redis of this test process's own: by its port and by its socket."""
    with servers.redis_server() as urls:
        yield urls


@pytest.fixture
def redis_url(redis_urls: tuple[str, str]) -> str:
    return redis_urls[0]


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn: whoever asks for it runs on both."""
    return str(request.param)


@pytest.fixture
def database_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a database may be made, on each engine."""
    if engine == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def database(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The tables, empty, bound to the models, on each engine."""
    if engine == "sqlite":
        url = f"sqlite:///{tmp_path / 'test.db'}"
        request.getfixturevalue("sqlite_files").make(url)
    else:
        url = str(request.getfixturevalue("postgres_tables"))
    open_database(url)
    yield url
    close_database()


@pytest.fixture
def postgres_tables(postgres_databases: PostgresDatabases) -> Iterator[str]:
    """A database on it with the tables, empty."""
    with postgres_databases.with_tables() as url:
        yield url


@pytest.fixture(scope="session")
def shared_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key for the whole process: what it has encrypted may be copied from test to test."""
    path = tmp_path_factory.mktemp("key") / "test.key"
    create_key_file(path)
    return path


@pytest.fixture
def vault(shared_key: Path, tmp_path: Path) -> Vault:
    return load_vault(Path(shutil.copy(shared_key, tmp_path)))


@pytest.fixture
def business(database: str) -> int:
    """Chez Marie, of the edition that includes webhooks; marie owns it."""
    return add_business(OPERATOR, "Chez Marie", "group", "marie", NOON)


@pytest.fixture(params=[pytest.param("files", id=pytest.HIDDEN_PARAM), "servers"])
def storage(request: pytest.FixtureRequest) -> Storage:
    """Files beside the configuration, then an empty database and an empty queue on servers."""
    if request.param == "files":
        return Storage()
    queue = request.getfixturevalue("redis_url")
    with redis.Redis.from_url(queue) as connection:
        connection.flushdb()
    return Storage(request.getfixturevalue("postgres_tables"), queue)


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `init` makes in a folder, for a business that may; to be copied."""
    folder = tmp_path_factory.mktemp("initialised")
    config = folder / "c.toml"
    set_up(config, name="Chez Marie", edition="group", owner="marie", option=False)
    close_database()
    config.unlink()
    return folder


@pytest.fixture
def install(initialised: Path, tmp_path: Path, storage: Storage) -> Callable[[str], Installation]:
    """Makes the program ready with a configuration, for a business that may."""

    def make(config: str) -> Installation:
        installation = Installation(tmp_path, config, storage)
        if storage.database:
            installation.init()
        else:
            shutil.copytree(initialised, tmp_path, dirs_exist_ok=True)
        return installation

    return make


@pytest.fixture
def installed(install: Callable[[str], Installation]) -> Installation:
    """Ready, with fast retries."""
    return install(FAST)


@pytest.fixture
def receiver() -> Iterator[Scripted]:
    """Answers 200 to everything."""
    with receiving() as scripted:
        yield scripted
