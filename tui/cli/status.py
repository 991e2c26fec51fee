"""`status`: how the whole installation is, once or live, for people, machines and Prometheus."""

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

import click

from core.cleaning import clean
from core.vitals import Vitals, vitals
from tasks.wiring import utc_now
from tui.cli.output import print_json, say
from tui.cli.program import Program, json_option, pass_program

_EVERY = 2.0  # seconds
_REDRAW = "\x1b[H\x1b[J"  # to the top, and nothing below
_PREFIX = "aurapos_webhooks_"


@click.command()
@json_option
@click.option(
    "--prometheus", is_flag=True, help="Prometheus's text format, for a textfile collector."
)
@click.option("--once", is_flag=True, help="Once, also on a terminal.")
@pass_program
def status(program: Program, *, as_json: bool, prometheus: bool, once: bool) -> None:
    """What is due, in flight and failing, how fast it goes and who ticks; live on a terminal."""
    if as_json and prometheus:
        raise click.UsageError("--json and --prometheus exclude each other: leave one of them out.")
    program.open()
    if as_json:
        print_json(_shape(vitals(utc_now())))
    elif prometheus:
        click.echo("\n".join(_metrics(vitals(utc_now()))))
    elif once or not sys.stdout.isatty():
        _say_all(vitals(utc_now()))
    else:
        _watch()


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
    yield f"in flight   {found.in_flight}"
    yield f"scheduled   {found.scheduled} for a later attempt"
    yield f"outbox      {found.outbox} events not yet fanned out"
    yield (
        f"last minute {found.delivered_last_minute} attempts delivered, "
        f"{found.failed_last_minute} failed"
    )
    if not found.consumers:
        yield "consumers   none has ticked yet: start `aurapos-webhooks worker`"
    for name, at in found.consumers:
        yield f"consumer    {name}, last tick {_seconds(at, now)} s ago"
    yield f"failing     {found.failing_webhooks} webhooks"
    for each in found.worst:
        yield f"            {each.webhook_id}  {each.url}  {each.waiting} waiting"


def _seconds(at: datetime, now: datetime) -> int:
    return max(0, round((now - at).total_seconds()))


def _shape(found: Vitals) -> dict[str, object]:
    consumers = [{"name": name, "last_tick": at} for name, at in found.consumers]
    return {**asdict(found), "consumers": consumers}


def _metrics(found: Vitals) -> Iterator[str]:
    """One gauge after the other, each with its help (Prometheus's exposition format, 0.0.4)."""
    now = utc_now()
    oldest = _seconds(found.oldest_due, now) if found.oldest_due else 0
    for name, told, samples in (
        ("outbox_events", "Events not yet fanned out.", {"": found.outbox}),
        ("deliveries_due", "Deliveries that are due and wait.", {"": found.due}),
        ("deliveries_in_flight", "Deliveries being attempted.", {"": found.in_flight}),
        ("deliveries_scheduled", "Deliveries due later.", {"": found.scheduled}),
        ("oldest_due_seconds", "How long the oldest due delivery has waited.", {"": oldest}),
        (
            "attempts_last_minute",
            "Attempts started within the last minute.",
            {
                '{outcome="delivered"}': found.delivered_last_minute,
                '{outcome="failed"}': found.failed_last_minute,
            },
        ),
        ("failing_webhooks", "Webhooks with failed deliveries.", {"": found.failing_webhooks}),
        (
            "last_tick_timestamp_seconds",
            "When each consumer last ticked.",
            {f'{{consumer="{_label(name)}"}}': at.timestamp() for name, at in found.consumers},
        ),
    ):
        yield f"# HELP {_PREFIX}{name} {told}"
        yield f"# TYPE {_PREFIX}{name} gauge"
        for label, value in samples.items():
            yield f"{_PREFIX}{name}{label} {value}"


def _label(text: str) -> str:
    return clean(text).replace("\\", "\\\\").replace('"', '\\"')
