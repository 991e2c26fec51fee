"""`worker` and `tick`: what delivers."""

import logging
import os
import sys
from datetime import timedelta

import click
from huey.consumer import Consumer

from core.config import Config
from core.errors import WebhooksError
from core.outbound.event_loop import run
from core.outbound.tls import tls_context
from core.pipeline.leases import LEASE
from core.storage.clock import utc_now
from tasks.consumer import assemble, make_dispatcher, make_postman
from tasks.ending import end_in_time
from tasks.tally import Tally
from tui.cli.logs import log_to_stderr
from tui.cli.output import Progress, print_json, say
from tui.cli.program import Program, json_option, pass_program, queue_explained
from tui.cli.supervisor import Supervisor, end_with_parent, say_started

log = logging.getLogger(__name__)

_SHUTDOWN = 20  # seconds: an attempt's whole time, and its settling
# A queue that cannot wake its reader is looked at every so many seconds: often while messages come,
# and after a second without one as seldom as costs next to nothing.
_POLL, _SLOWER, _SLOWEST = 0.001, 1.05, 0.05


@click.command(short_help="Deliver, until SIGTERM or ctrl+C.")
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
    log_to_stderr(program.config.log.format, verbose=verbose)
    if workers == 1:
        consume(program.config)
    else:
        tls_context(program.open().delivery.ca_file)  # once, so that a mistake is told once
        _supervise(program, workers, verbose=verbose)


class _Consumer(Consumer):
    def start(self) -> None:
        """It says so only now that it heeds signals: SIGHUP would have killed it before."""
        super().start()
        log.info("worker started", extra={"pid": os.getpid()})
        say_started()


def consume(config: Config, *, lease_for: timedelta = LEASE) -> None:
    """Run the consumer in this process until it is told to end."""
    with queue_explained():
        huey, engine = assemble(config, lease_for=lease_for)
    consumer = _Consumer(
        huey,
        workers=1,
        worker_type="thread",
        initial_delay=_POLL,
        backoff=_SLOWER,
        max_delay=_SLOWEST,
        graceful_signal="TERM",
        shutdown_timeout=_SHUTDOWN,
    )
    end_with_parent()
    end_in_time()
    sys.argv = sys.orig_argv[1:]  # what Huey starts anew after SIGHUP
    consumer.run()
    engine.stop()  # on ctrl+C Huey does not wait for its own threads
    if engine.failure is not None:
        raise WebhooksError("The worker failed; its log says how. Its supervisor starts it again.")
    log.info("worker stopped", extra={"pid": os.getpid()})


def _supervise(program: Program, workers: int, *, verbose: bool) -> None:
    """Keep `workers` processes running until told to stop; then let them finish."""
    command = [sys.executable, "-m", "tui.cli", "--config", str(program.config_path), "worker"]
    Supervisor([*command, *["--verbose"] * verbose], workers).run()


@click.command(short_help="One pass in the foreground; says what it did.")
@json_option
@pass_program
def tick(program: Program, *, as_json: bool) -> None:
    """One dispatch pass in the foreground: everything that is due now, once."""
    log_to_stderr(program.config.log.format, verbose=False)
    logging.getLogger("tasks").setLevel(logging.WARNING)
    config = program.open()
    postman = make_postman(config)
    tally = run(_pass(config))
    postman.go()
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
