"""What a delivery costs one processor, and where: microseconds of CPU, of one worker on SQLite.

HTTP is what the sender alone takes for the same POST, the database what its threads take, and the
rest is what is left: the dispatcher, the signature, the event loop. Wall-clock time depends on who
else is on the machine; this does much less.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from uuid import UUID

from core.domain.events import EventType
from core.domain.signing import build_body, build_headers, wire_time
from core.outbound.event_loop import run
from core.outbound.sender import Sender
from core.outbound.tls import tls_context
from core.outbound.transport import Errand, GuardedTransport
from core.storage.clock import utc_now as now
from core.storage.database import open_database
from tasks.engine import suit_a_worker
from tests.benchmarks.stage import (
    AT_ONCE,
    PAYLOAD,
    dispatcher,
    prepare,
    receiver,
    write_results,
)
from tests.support.scene import DEVELOPMENT

POSTS = 20_000
_DATABASE_THREADS = ("writer", "reader")


async def together(posts: int, post: Callable[[], Awaitable[object]]) -> None:
    """POST so often with AT_ONCE in flight."""

    async def some() -> None:
        for _ in range(posts // AT_ONCE):
            await post()

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def http(url: str) -> dict[str, float]:
    """The sender alone."""
    sender = Sender(GuardedTransport(DEVELOPMENT, tls_context("")), timedelta(seconds=10))
    sender.keep_for({1})
    numbers = count(1)

    async def wanted() -> bool:
        return True

    async def post() -> None:
        delivery = str(UUID(int=next(numbers)))
        body = build_body(EventType.TICKET_CREATED, delivery, wire_time(now()), PAYLOAD)
        headers = build_headers(EventType.TICKET_CREATED, delivery, "sha256=")
        await sender.post(Errand(1, url, wanted), headers, body)

    suit_a_worker()
    await together(AT_ONCE * 4, post)
    begin = time.process_time()
    await together(POSTS, post)
    spent = time.process_time() - begin
    await sender.close()
    return {"whole": spent}


async def drain(database: str, key_file: str) -> dict[str, float]:
    """A worker that drains what is due, and its threads that talk to the database."""
    open_database(database)
    worker = dispatcher(Path(key_file), AT_ONCE)
    suit_a_worker()
    begin = time.process_time()
    tally = await worker.drain(now)
    spent, database_spent = time.process_time() - begin, _spent_by_database_threads()
    await worker.close()
    assert tally.delivered == POSTS
    return {"whole": spent, "database": database_spent}


def _spent_by_database_threads() -> float:
    return sum(
        time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        for thread in threading.enumerate()
        if thread.ident is not None and thread.name.startswith(_DATABASE_THREADS)
    )


def measure() -> dict[str, float]:
    """Microseconds a delivery."""
    with receiver() as url, tempfile.TemporaryDirectory() as folder:
        alone = _spent("http", url)
        database, key_file = f"sqlite:///{folder}/bench.db", f"{folder}/key"
        _spent("prepare", database, key_file, url)
        worker = _spent("drain", database, key_file)
    parts = {
        "HTTP": alone["whole"],
        "database": worker["database"],
        "rest": worker["whole"] - worker["database"] - alone["whole"],
        "whole": worker["whole"],
    }
    return {name: seconds * 1e6 / POSTS for name, seconds in parts.items()}


def _spent(*part: str) -> dict[str, float]:
    """What that part of the work says of itself, from a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.cost", *part]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    write_results("cost", measure())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["http", url]:
            print(json.dumps(run(http(url))))
        case ["prepare", database, key_file, url]:
            prepare(database, Path(key_file), [url], POSTS)
            print("{}")
        case ["drain", database, key_file]:
            print(json.dumps(run(drain(database, key_file))))
        case _:
            main()
