"""What starts the tests' servers does so anywhere: at once, in any environment, or says why not."""

import os
import pwd
import re
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support import servers
from tests.support.processes import alive, children
from tests.support.servers import ServerFailed, free_port, restartable_redis
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("a_server")
ROOT = Path(__file__).parents[2]
START_BOTH = """
import psycopg, redis
from tests.support.servers import postgres_server, redis_server
with postgres_server() as tables, redis_server() as (port, file):
    with psycopg.connect(tables) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    for each in (port, file):
        with redis.Redis.from_url(each) as queue:
            assert queue.ping()
"""


def starting(code: str = START_BOTH, **environment: str) -> subprocess.Popen[str]:
    """Another process that starts servers of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_several_processes_start_theirs_at_once_and_leave_nothing() -> None:
    accounts = pwd.getpwall()
    with TemporaryDirectory(dir=servers._place()) as place:
        Path(place).chmod(0o755)
        running = [starting(TMPDIR=place) for _ in range(4)]
        told = [each.communicate(timeout=240)[0] for each in running]
        assert [each.returncode for each in running] == [0, 0, 0, 0], told
        assert not list(Path(place).iterdir())
    assert pwd.getpwall() == accounts


def test_they_end_with_whoever_started_them_however_that_ends() -> None:
    held = START_BOTH + "    print(flush=True)\n    input()\n"
    with TemporaryDirectory(dir=servers._place()) as place:
        Path(place).chmod(0o755)
        running = starting(held, TMPDIR=place)
        assert running.stdout is not None
        assert running.stdout.readline() == "\n"
        ended = [child for child in children(running.pid) if alive(child)]
        running.kill()
        running.communicate()
        wait_until(lambda: not any(alive(each) for each in ended))
        wait_until(lambda: not list(Path(place).iterdir()))
    assert len(ended) == 4  # two servers, and who ends them


def test_the_environment_does_not_matter(tmp_path: Path) -> None:
    """A socket's path may not have more than some hundred bytes; HOME is not there at all."""
    (deep := tmp_path / ("d" * 100)).mkdir()
    others = {"PGPORT": "1", "PGHOST": "nowhere", "LC_ALL": "xx_XX", "TMPDIR": str(deep)}
    running = starting(f"import os; os.umask(0o077)\n{START_BOTH}", **others)
    assert running.communicate(timeout=120)[0] == ""


def test_a_free_port_is_nobody_elses_until_its_owner_listens() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports[0]), timeout=5)
    with socket.create_server(("127.0.0.1", ports[0])):
        socket.create_connection(("127.0.0.1", ports[0]), timeout=5).close()


def test_a_server_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(servers, "free_port", lambda: taken.getsockname()[1])
        with pytest.raises(ServerFailed, match="in use"), restartable_redis():
            pass


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(servers, "find_spec", lambda _: None)
    monkeypatch.setattr(servers, "_DEBIANS", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))


def test_a_missing_server_is_told_with_what_to_install(nothing_installed: None) -> None:
    with pytest.raises(ServerFailed, match=r"^PostgreSQL is missing: install .*postgresql\.$"):
        servers.find_postgresql()
    with pytest.raises(ServerFailed, match=r"^Valkey is missing: install .*redis-server\.$"):
        servers.find_redis()


def test_without_a_wheel_the_machines_own_are_found(
    nothing_installed: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(servers, "_DEBIANS", tmp_path)
    for name in ("9.6/bin/initdb", "15/bin/initdb", "redis-server"):
        (program := tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        program.touch(mode=0o755)
    assert servers.find_postgresql() == tmp_path / "15" / "bin"
    assert servers.find_redis() == tmp_path / "redis-server"


def test_programs_that_lie_where_only_root_comes_are_copied(tmp_path: Path) -> None:
    copy = servers.copy_programs(servers.find_postgresql(), tmp_path)
    told = subprocess.run([copy / "postgres", "--version"], capture_output=True, check=True)
    assert re.match(rb"postgres \(PostgreSQL\) \d", told.stdout)
