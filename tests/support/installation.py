"""The real command in a throw-away folder, as its user runs it."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from core.config import load_config
from core.domain.signing import Secret
from core.storage.database import is_postgres, open_database, proxy
from tasks.ending import WITHIN
from tests.support.notes import notes
from tests.support.processes import is_stopped
from tests.support.ready import Fork, can_be_forked, ready_command
from tests.support.scene import close_database
from tests.support.waiting import PATIENCE, wait_until

COMMAND = [sys.executable, "-m", "tui.cli"]


def command_after(code: str) -> list[str]:
    """The same in a process where this has run first."""
    return [sys.executable, "-c", f"{code}\nfrom tui.cli.main import main\nmain()"]


SHORT_MINUTES = command_after(
    "from huey.consumer import Scheduler; Scheduler.periodic_task_seconds = 3"
)
"""The same, whose consumer ticks every three seconds."""
FAST = """
[delivery]
allow_http = true
allow_networks = ["127.0.0.0/8"]
retry_after = ["0.2s"]
timeout = "20s"
"""

_TELL_HOW_FAR = {"backup", "rotate-key", "sync", "tick"}  # on stderr, where it takes a second
_SHOW_SECRETS = {"create", "regenerate-secret"}


def is_free_to_write() -> bool:
    """Whether nobody is writing to the bound database, where only one can."""
    if is_postgres():
        return True
    with closing(sqlite3.connect(proxy.obj.database, timeout=0)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True


@dataclass(frozen=True)
class Storage:
    """Where the tables and the queue are; left out, in files beside the configuration."""

    database: str = ""
    queue: str = ""

    @property
    def toml(self) -> str:
        sections = {"database": self.database, "queue": self.queue}
        return "".join(f'[{name}]\nurl = "{url}"\n' for name, url in sections.items() if url)


class Installation:
    """A configuration in a folder, and the command run with it."""

    def __init__(
        self,
        folder: Path,
        config: str = FAST,
        storage: Storage = Storage(),
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.folder = folder
        self.command = command
        self.config = folder / "c.toml"
        self.config.write_text(storage.toml + config)
        self._said: list[bytes] = []
        notes().configs.append(self.config)
        notes().folders.add(folder)
        notes().said[f"what the command said in {folder}"] = lambda: b"".join(self._said)

    def run(
        self, *args: str | Path, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = self._run(["--config", str(self.config), *map(str, args)], stdin, env)
        if not _SHOW_SECRETS.intersection(args):
            self._said += [done.stdout, done.stderr]
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def _run(
        self, args: list[str], stdin: bytes, env: dict[str, str] | None
    ) -> subprocess.CompletedProcess[bytes]:
        argv = [*self.command, *args]
        if env is None and can_be_forked(argv):
            return ready_command().run(argv, self.folder, stdin, PATIENCE)
        return subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            timeout=PATIENCE,
            check=False,
            env={**os.environ, **(env or {})},
        )

    def ok(self, *args: str | Path, stdin: bytes = b"") -> str:
        done = self.run(*args, stdin=stdin)
        assert done.returncode == 0, done.stderr
        assert not done.stderr or _TELL_HOW_FAR.intersection(args), done.stderr
        return done.stdout

    def json(self, *args: str | Path, stdin: bytes = b"") -> Any:
        return json.loads(self.ok(*args, "--json", stdin=stdin))

    def fails(self, *args: str | Path, stdin: bytes = b"", code: int = 1) -> str:
        """The one sentence that a mistake is told in."""
        done = self.run(*args, stdin=stdin)
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stderr
        assert done.stdout == ""
        if code == 1:
            assert done.stderr.count("\n") == 1, done.stderr
            assert done.stderr.rstrip().endswith("."), done.stderr
        return done.stderr.strip()

    @contextmanager
    def tables(self) -> Iterator[None]:
        """Its tables, bound in this process too."""
        open_database(load_config(self.config).database.url)
        try:
            yield
        finally:
            close_database()

    def init(self, edition: str = "group") -> None:
        self.ok("init", "--business", "Chez Marie", "--edition", edition, "--owner", "marie")

    def add_webhook(self, url: str) -> Any:
        before = list(notes().published)
        webhook = self.json("webhook", "create", url, "--all-events")
        notes().older[webhook["id"]] = before
        notes().secrets[webhook["id"]].append(Secret(webhook["secret"]))
        return webhook

    def regenerate_secret(self, webhook_id: int = 1) -> Secret:
        told = self.json("webhook", "regenerate-secret", str(webhook_id))
        notes().secrets[webhook_id].append(secret := Secret(told["secret"]))
        return secret

    def delete_webhook(self, webhook_id: int = 1) -> None:
        self.ok("webhook", "delete", str(webhook_id), "--yes")
        notes().deletions[webhook_id] = datetime.now(UTC)

    def emit(self, payload: str = '{"total_tvac": 55.10}') -> int:
        key = uuid4().hex
        emitted = self.json("emit", "ticket.created", "--key", key, stdin=payload.encode())
        notes().published.append(key)
        return int(emitted["event_id"])

    def push(self, count: int, first: int = 0) -> None:
        """That many events at once: new clients, numbered from `first`."""
        changes = [
            {"entity": "client", "before": None, "after": {"id": number}, "key": f"c-{number}"}
            for number in range(first, first + count)
        ]
        self.ok("sync", stdin="\n".join(map(json.dumps, changes)).encode())
        notes().published += [str(change["key"]) for change in changes]

    def deliveries(self, webhook_id: int = 1) -> Any:
        return self.json("delivery", "list", "--webhook", str(webhook_id))

    def attempts(self, row: Any) -> Any:
        """The attempt log of one of the deliveries listed."""
        return self.json("delivery", "show", row["delivery_id"])["attempt_log"]

    @contextmanager
    def worker(
        self, *args: str, command: list[str] | None = None, env: dict[str, str] | None = None
    ) -> Iterator["Worker"]:
        """A running worker, ready; whatever is left of it ends with the block."""
        argv = command or [
            *(*self.command, "--config", str(self.config)),
            *("worker", "--verbose", *args),
        ]
        said, log = os.pipe()
        try:
            process = self._start(argv, log, env)
        finally:
            os.close(log)
        worker = Worker(process, said)
        notes().said[f"the log of worker {process.pid}"] = lambda: "".join(worker.log).encode()
        try:
            yield worker
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            worker.reader.join()

    def _start(
        self, argv: list[str], log: int, env: dict[str, str] | None
    ) -> "Fork | subprocess.Popen[bytes]":
        if env is None and can_be_forked(argv):
            return ready_command().start(argv, self.folder, 0, 1, log)
        environment = {**os.environ, **(env or {})}
        return subprocess.Popen(argv, cwd=self.folder, stderr=log, env=environment)


class Worker:
    """A worker process and what it has logged so far."""

    def __init__(self, process: "Fork | subprocess.Popen[bytes]", said: int) -> None:
        self.process = process
        self.log: list[str] = []
        self.reader = threading.Thread(target=self._read, args=[said], daemon=True)
        self.reader.start()

    def wait_for(self, words: str, seconds: float = PATIENCE) -> str:
        return str(
            wait_until(lambda: next((line for line in self.log if words in line), None), seconds)
        )

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(signum)
        return self.process.wait(PATIENCE)

    def time_ran_out(self) -> bool:
        """Whether it ended since its time was over, once told to end while something hangs. By its
        own clock: on a busy machine another one says less.
        """
        self.stop()
        self.reader.join(PATIENCE)
        return any(f"still waiting after {WITHIN:.0f} s" in line for line in self.log)

    def stand_still(self) -> None:
        """Stop it outside any transaction: on SQLite all others would wait for it."""
        wait_until(self._stands_still)

    def _stands_still(self) -> bool:
        self.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: is_stopped(self.process.pid))
        if is_free_to_write():
            return True
        self.process.send_signal(signal.SIGCONT)
        return False

    def _read(self, said: int) -> None:
        with os.fdopen(said) as log:
            for line in log:
                self.log.append(line)
