"""`status`: how the whole installation is, once or live, for people, machines and Prometheus."""

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import NoReturn

import click
from peewee import PeeweeException

from core.errors import BadKeyFile, WebhooksError
from core.pipeline.heartbeat import TICK_WITHIN, is_missing
from core.pipeline.tallies import totals
from core.storage.clock import utc_now
from core.storage.database import explain
from core.storage.vault import Vault
from core.use_cases.installation_health import Vitals, vitals
from core.use_cases.rotation import lost_secrets
from tui.cli.metrics import exposition
from tui.cli.output import print_json, say, told_of_mail, told_of_pause
from tui.cli.program import Program, json_option, others_settings, pass_program

_EVERY = 2.0  # seconds
_OK, _WARNING, _CRITICAL, _UNKNOWN = range(4)  # as monitoring-plugins.org has them
_WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_REDRAW = "\x1b[H\x1b[J"  # to the top, and nothing below


@click.command(short_help="What waits, moves and fails, and who ticks; or for monitors.")
@json_option
@click.option(
    "--prometheus", is_flag=True, help="Prometheus's text format, for a textfile collector."
)
@click.option(
    "--check", is_flag=True, help="One line and an exit code for a monitor: 0, 1, 2 or 3."
)
@click.option("--once", is_flag=True, help="Once, also on a terminal.")
@pass_program
def status(program: Program, *, as_json: bool, prometheus: bool, check: bool, once: bool) -> None:
    """What is due, in flight and failing, how fast it goes and who ticks; live on a terminal.

    --check exits as monitors expect: 0 all is well, 1 something wants a look, 2 deliveries wait
    that should not, 3 it cannot be told.
    """
    formats = {"--json": as_json, "--prometheus": prometheus, "--check": check}
    asked = [name for name, is_on in formats.items() if is_on]
    if len(asked) > 1:
        raise click.UsageError(f"{' and '.join(asked)} cannot be used together: leave one out.")
    if check:
        _check(program)
    program.open()
    if as_json:
        print_json(_shape(vitals(utc_now())))
    elif prometheus:
        now = utc_now()
        lines = exposition(vitals(now), totals(), len(lost_secrets(_vault(program))), now)
        click.echo("\n".join(lines))
    elif once or not sys.stdout.isatty():
        _say_all(vitals(utc_now()))
    else:
        _watch()


def _vault(program: Program) -> Vault | None:
    try:
        return program.vault()
    except BadKeyFile:
        return None


def _check(program: Program) -> NoReturn:
    """Say in one line how it is, and exit as the plugins of monitors do."""
    try:
        program.open()
        now = utc_now()
        found, locked = vitals(now), len(lost_secrets(_vault(program)))
        differing = others_settings(program.config, now)
    except WebhooksError as error:
        _exit_with(_UNKNOWN, str(error))
    except PeeweeException as error:
        _exit_with(_UNKNOWN, explain(error))
    numbers = f"due={found.due} late={found.late} failing={found.failing_webhooks} locked={locked}"
    code, told = _judge(found, locked, differing, now)
    _exit_with(code, f"{told} | {numbers}")


def _judge(found: Vitals, locked: int, differing: str, now: datetime) -> tuple[int, str]:
    """The gravest there is."""
    last = max((at for _, at in found.consumers), default=None)
    if last is None or now - last > TICK_WITHIN:
        return _CRITICAL, "no worker runs: start `aurapos-webhooks worker`"
    if locked:
        return _CRITICAL, f"{locked} secrets are locked, so their deliveries wait: see `doctor`"
    if found.oldest_due is not None and now - found.oldest_due > TICK_WITHIN:
        waits = _seconds(found.oldest_due, now)
        return _CRITICAL, f"{found.late} deliveries are late, the oldest by {waits} s"
    if found.late:
        return _WARNING, f"{found.late} deliveries are late"
    if differing:
        return _WARNING, differing
    if found.mail.failed or found.mail.given_up:
        return _WARNING, f"mail for alerts: {told_of_mail(found.mail)}"
    return _OK, f"workers {len(found.consumers)}, failing webhooks {found.failing_webhooks}"


def _exit_with(code: int, told: str) -> NoReturn:
    say(f"{_WORDS[code]}: {told}")
    sys.exit(code)


def _watch() -> None:
    """Until ctrl+C."""
    try:
        while True:
            now = utc_now()
            click.echo(_REDRAW, nl=False)
            _say_all(vitals(now))
            click.echo()
            say(f"{now:%H:%M:%S} UTC, every {_EVERY:g} s; ctrl+C ends it.")
            time.sleep(_EVERY)
    except KeyboardInterrupt:
        return


def _say_all(found: Vitals) -> None:
    for line in _lines(found, utc_now()):
        say(line)


def _lines(found: Vitals, now: datetime) -> Iterator[str]:
    oldest = f", the oldest for {_seconds(found.oldest_due, now)} s" if found.oldest_due else ""
    yield f"due         {found.due}{oldest}"
    if found.late:
        yield f"late        {found.late} of them, by more than a minute"
    yield f"in flight   {found.in_flight}"
    yield f"scheduled   {found.scheduled} for a later attempt"
    yield f"outbox      {found.outbox} events not yet fanned out"
    if found.set_aside:
        yield f"set aside   {found.set_aside} events that cannot be sent: see `doctor`"
    yield (
        f"last minute {found.delivered_last_minute} attempts delivered, "
        f"{found.failed_last_minute} failed"
    )
    if not found.consumers:
        yield "workers     none runs: start `aurapos-webhooks worker`"
    for name, at in found.consumers:
        gone = "; there is no such process here any more" if is_missing(name) else ""
        yield f"worker      {name}, last tick {_seconds(at, now)} s ago{gone}"
    yield f"failing     {found.failing_webhooks} webhooks"
    for failing in found.worst:
        yield f"            {failing.webhook_id}  {failing.url}  {failing.waiting} waiting"
    if found.mail.waiting or found.mail.given_up:
        yield f"mail        {told_of_mail(found.mail)}"
    yield f"paused      {len(found.paused)} webhooks"
    for paused in found.paused:
        yield f"            {told_of_pause(paused)}"


def _seconds(at: datetime, now: datetime) -> int:
    return max(0, round((now - at).total_seconds()))


def _shape(found: Vitals) -> dict[str, object]:
    consumers = [{"name": name, "last_tick": at} for name, at in found.consumers]
    return {**asdict(found), "consumers": consumers}
