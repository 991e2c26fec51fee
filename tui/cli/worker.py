"""`worker` and `tick`: what delivers."""

import logging
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import click

from core.config import Config
from core.errors import WebhooksError
from core.loops import run
from core.outbox import LEASE
from core.tls import tls_context
from tasks.consumer import assemble, make_dispatcher
from tasks.dispatcher import Tally
from tasks.wiring import utc_now
from tui.cli.logs import log_to_stderr
from tui.cli.output import Progress, print_json, say
from tui.cli.program import Program, json_option, pass_program, queue_explained

log = logging.getLogger(__name__)

_SHUTDOWN = 20  # seconds: an attempt's whole time, and its settling
_POLL = 0.05  # seconds between two looks at a queue that cannot wake its reader
_RESTART_PAUSE = 1.0  # seconds
_LIFELINE = "AURAPOS_WEBHOOKS_LIFELINE"


@click.command()
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Consumer processes, each sending on its own.",
)
@click.option("--verbose", is_flag=True, help="Log every delivered attempt too.")
@pass_program
def worker(program: Program, workers: int, *, verbose: bool) -> None:
    """Run the consumer: delivers until SIGTERM or ctrl+C, then finishes what is in flight."""
    log_to_stderr(verbose=verbose)
    if workers == 1:
        consume(program.config)
    else:
        tls_context(program.open().delivery.ca_file)  # once, so that a mistake is told once
        _supervise(program, workers, verbose=verbose)


def consume(config: Config, *, lease_for: timedelta = LEASE) -> None:
    """Run the consumer in this process until it is told to end."""
    with queue_explained():
        huey, engine = assemble(config, lease_for=lease_for)
    consumer = huey.create_consumer(
        workers=1,
        worker_type="thread",
        initial_delay=_POLL,
        backoff=1,
        graceful_signal="TERM",
        shutdown_timeout=_SHUTDOWN,
    )
    _end_with_parent()
    log.info("worker started", extra={"pid": os.getpid()})
    consumer.run()
    engine.stop()  # on ctrl+C Huey does not wait for its own threads
    if engine.failure is not None:
        raise WebhooksError(
            "The worker broke; its log says how. Whoever supervises it starts it anew."
        )
    log.info("worker stopped", extra={"pid": os.getpid()})


def _end_with_parent() -> None:
    """End when the supervisor has: a pipe from it reaches its end, however it went."""
    lifeline = os.environ.pop(_LIFELINE, None)
    if lifeline is None:
        return

    def wait() -> None:
        os.read(int(lifeline), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def _supervise(program: Program, workers: int, *, verbose: bool) -> None:
    """Keep `workers` processes running until told to stop; then let them finish."""
    _Supervisor(
        [
            sys.executable,
            "-m",
            "tui.cli",
            "--config",
            str(program.config_path),
            "worker",
            *["--verbose"] * verbose,
        ],
        workers,
    ).run()


class _Supervisor:
    def __init__(self, command: list[str], workers: int) -> None:
        self._command = command
        self._workers = workers
        self._lifeline, self._kept = os.pipe()
        self._stopping = threading.Event()
        self._children: list[subprocess.Popen[bytes]] = []

    def run(self) -> None:
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._stop)
        self._children = [self._start() for _ in range(self._workers)]
        while not self._stopping.wait(_RESTART_PAUSE):
            self._children = [self._kept_alive(child) for child in self._children]
        for child in self._children:
            child.terminate()
        for child in self._children:
            child.wait()

    def _stop(self, *_: Any) -> None:
        self._stopping.set()

    def _kept_alive(self, child: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        if child.poll() is None or self._stopping.is_set():
            return child
        log.error("a worker ended and is started again", extra={"exit": child.returncode})
        return self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - this program itself
            self._command,
            env={**os.environ, _LIFELINE: str(self._lifeline)},
            pass_fds=[self._lifeline],
            start_new_session=True,  # ctrl+C reaches the supervisor alone, which tells them
        )


@click.command()
@json_option
@pass_program
def tick(program: Program, *, as_json: bool) -> None:
    """One dispatch pass in the foreground: everything that is due now, once."""
    log_to_stderr(verbose=False)
    logging.getLogger("tasks").setLevel(logging.WARNING)
    tally = run(_pass(program.open()))
    if as_json:
        print_json(
            {
                "events": tally.events,
                "attempts": tally.attempts,
                "delivered": tally.delivered,
                "failed": tally.failed,
                "abandoned": tally.abandoned,
            }
        )
        return
    say(_told(tally))


async def _pass(config: Config) -> Tally:
    dispatcher = make_dispatcher(config)
    until = utc_now()
    progress = Progress()
    try:
        return await dispatcher.drain(lambda: until, lambda tally: progress.show(_told(tally)))
    finally:
        progress.clear()
        await dispatcher.close()


def _told(tally: Tally) -> str:
    return (
        f"{tally.events} events fanned out; {tally.attempts} attempts: {tally.delivered} "
        f"delivered, {tally.failed} failed, {tally.abandoned} abandoned"
    )
