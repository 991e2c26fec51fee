"""`emit` and `sync`: events in."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import BinaryIO

import click

from core.errors import BadInput, NotIncluded
from core.intake import SyncReport, publish, read_lines
from core.intake import sync as run_sync
from core.payload import PAYLOAD_LIMIT
from tasks.consumer import utc_now
from tui.cli.output import print_json, say
from tui.cli.program import (
    Program,
    business_option,
    choose_business,
    json_option,
    operator,
    pass_program,
)

_BAD_LINES_TOLD = 20
_PROGRESS_EVERY = 1.0  # seconds
file_argument = click.argument("file", default="-", metavar="[FILE|-]")


@click.command()
@click.argument("event", metavar="EVENT")
@file_argument
@business_option
@click.option("--key", help="Your own id of this event: a key seen before publishes nothing.")
@json_option
@pass_program
def emit(
    program: Program,
    event: str,
    file: str,
    business_id: int | None,
    key: str | None,
    *,
    as_json: bool,
) -> None:
    """Publish one event, its payload JSON from a file or stdin."""
    program.open()
    chosen = choose_business(operator(), business_id)
    with opened(file) as source:
        payload = source.read(PAYLOAD_LIMIT + 4096)
    publication = publish(chosen, event, payload, utc_now(), key=key, wake=program.wake)
    if publication.not_included is not None:
        raise NotIncluded(publication.not_included)
    if as_json:
        duplicate = {"duplicate": True} if publication.duplicate else {}
        print_json({"event_id": publication.event_id, **duplicate})
        return
    seen = f", whose key {key} was seen before: nothing is sent twice" * publication.duplicate
    say(f"event {publication.event_id}{seen}")


@click.command()
@file_argument
@business_option
@json_option
@pass_program
def sync(program: Program, file: str, business_id: int | None, *, as_json: bool) -> None:
    """One BackendSync push: NDJSON, one change a line, from a file or stdin.

    Bad lines are told on stderr and the good ones kept; exit 1 when there were any. Pushing the
    same again publishes nothing twice.
    """
    program.open()
    chosen = choose_business(operator(), business_id)
    progress = _Progress()
    with opened(file) as source:
        report = run_sync(
            chosen,
            read_lines(source),
            utc_now,
            wake=program.wake,
            on_bad=progress.tell_bad,
            on_progress=progress.show,
        )
    progress.end(report)
    if as_json:
        print_json(
            {
                "lines": report.lines,
                "published": report.published,
                "duplicates": report.duplicates,
                "no_event": report.no_event,
                "bad": report.bad,
            }
        )
    else:
        say(_told(report))
    if report.bad:
        sys.exit(1)


def _told(report: SyncReport) -> str:
    return (
        f"{report.lines} changes: {report.published} events published, {report.duplicates} seen "
        f"before, {report.no_event} that are no event, {report.bad} bad"
    )


class _Progress:
    """What is told of a long push while it runs: in place on a terminal, in lines elsewhere."""

    def __init__(self) -> None:
        self._next = monotonic() + _PROGRESS_EVERY
        self._bad = 0
        self._in_place = sys.stderr.isatty()
        self._shown = False

    def tell_bad(self, number: int, why: str) -> None:
        self._bad += 1
        if self._bad <= _BAD_LINES_TOLD:
            self._clear()
            click.echo(f"line {number}: {why}", err=True)

    def show(self, report: SyncReport) -> None:
        if monotonic() < self._next:
            return
        self._next = monotonic() + _PROGRESS_EVERY
        self._clear()
        click.echo(_told(report), err=True, nl=not self._in_place)
        self._shown = self._in_place

    def end(self, report: SyncReport) -> None:
        self._clear()
        if report.bad > _BAD_LINES_TOLD:
            click.echo(f"… and {report.bad - _BAD_LINES_TOLD} more bad lines", err=True)

    def _clear(self) -> None:
        if self._shown:
            click.echo("\r\x1b[2K", err=True, nl=False)
            self._shown = False


@contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        source = open(file, "rb")  # noqa: PTH123, SIM115 - closed below, once it is known to open
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from None
    with source:
        yield source
