"""PgBouncer, mostly in transaction mode, as many hosts run it before their PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from tests.support.programs import find_program, needs
from tests.support.servers import Postgres, Server, account_for_servers, free_port

PROGRAM = find_program("pgbouncer")
needed = needs("pgbouncer", "pgbouncer")

_SETTINGS = """\
[databases]
postgres = host=127.0.0.1 port={behind} dbname=postgres user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = 2
"""


class PgBouncer(Server):
    """Few connections, so that each is everybody's in turn."""

    def __init__(self, folder: Path, postgres: Postgres, mode: str) -> None:
        port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        settings = folder / "pgbouncer.ini"
        settings.write_text(_SETTINGS.format(behind=postgres.port, port=port, mode=mode))
        assert PROGRAM is not None
        super().__init__(folder, [PROGRAM, settings], **account_for_servers(folder))
        self.start()

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url, prepare_threshold=None).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def pgbouncer(postgres: Postgres, mode: str = "transaction") -> Iterator[PgBouncer]:
    with TemporaryDirectory(prefix="aurapos-pgbouncer-") as folder:
        server = PgBouncer(Path(folder), postgres, mode)
        try:
            yield server
        finally:
            server.kill()
