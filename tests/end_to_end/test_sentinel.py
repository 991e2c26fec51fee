"""A secret is in the hands of whoever made it, on the wire as a signature, and nowhere else."""

import signal
import threading
from pathlib import Path

import pytest

from core.storage.database import is_postgres, open_database, proxy
from core.storage.models import TABLES
from tests.support.installation import FAST, Installation, Storage
from tests.support.scripted import after, answer, receiving
from tests.support.terminal import ENTER, ESCAPE, TAB, terminal
from tests.support.waiting import wait_until

OWN = "gateway-key-MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The value of a header of the webhook's own."""


def everything_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def everything_stored(database_url: str) -> bytes:
    """Every row of every table, as the database gives it."""
    open_database(database_url)
    with proxy.connection_context():
        rows = [list(table.select().tuples()) for table in TABLES]
    if is_postgres():
        proxy.close_all()
    return repr(rows).encode()


@pytest.mark.slow
def test_a_secret_is_found_nowhere(tmp_path: Path, database_url: str) -> None:
    installed = Installation(tmp_path, FAST, Storage(database_url))
    installed.init()
    told: dict[str, str] = {}

    def note(*args: str) -> None:
        done = installed.run(*args)
        told[" ".join(args)] = done.stdout + done.stderr

    never = threading.Event()
    echo = answer(500, f"no such key: {OWN}".encode())
    with receiving(answer(200), echo, after(never, answer(200))) as receiver:
        secrets = [installed.add_webhook(receiver.url)["secret"], OWN]
        installed.ok("webhook", "edit", "1", "--header", "-", stdin=f"X-Api-Key: {OWN}".encode())
        with terminal(tmp_path, "--config", str(installed.config)) as t:
            t.wait_for("127.0.0.1")
            t.press("s")
            t.wait_for("Type the host name")
            t.press(receiver.url.split("/")[2], ENTER)
            secrets.append(t.wait_for(r"whsec_[A-Za-z0-9]{44}").group())
            t.press(TAB, "aaaaaa", ENTER, ESCAPE, ESCAPE)  # letters would be typed
            shown = len(t.written)
            t.press("h", "q", "?", "q", "a", "q", "A", "q", "q")
            t.wait_for_end()
            told["the screens after it"] = t.written[shown:].decode()
        with installed.worker() as worker:
            worker.wait_for("worker started")
            installed.emit()
            wait_until(lambda: len(receiver.requests) == 1)
            installed.emit()
            wait_until(lambda: len(receiver.requests) >= 3)
            worker.process.send_signal(signal.SIGKILL)
            worker.process.wait()
            told["the worker's log"] = "".join(worker.log)
        secrets.append(installed.json("webhook", "regenerate-secret", "1")["secret"])
        note("webhook", "edit", "1", "--header", "X-Api-Key", "--header", "Host: x")
        note("webhook", "list", "--json")
        note("webhook", "show", "1", "--json")
        note("webhook", "create", "ftp://x", "--all-events")
        note("delivery", "list", "--json")
        note("doctor")
        note("secrets", "rotate-key", "--json")
        never.set()
    assert "no such key: $X_API_KEY" in told["delivery list --json"]
    stored = everything_in(tmp_path) | {"the tables": everything_stored(database_url)}
    for where, content in stored.items():
        for secret in secrets:
            assert secret.encode() not in content, where
            assert secret.removeprefix("whsec_").encode() not in content, where
    for where, text in told.items():
        for secret in secrets:
            assert secret not in text, where
            assert secret[-20:] not in text, where
