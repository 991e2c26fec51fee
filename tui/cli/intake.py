"""`emit` and `sync`: events in."""

import codecs
import sys
from io import BufferedReader

import click

from core.domain.cleaning import clean
from core.domain.payload import PAYLOAD_LIMIT
from core.errors import BadPayload, NotIncluded
from core.intake import SyncReport, publish, read_lines
from core.intake import sync as run_sync
from core.storage.clock import utc_now
from tui.cli.output import Progress, print_json, say
from tui.cli.program import (
    Program,
    business_option,
    choose_business,
    json_option,
    operator,
    pass_program,
)
from tui.cli.reading import file_argument, opened

_BAD_LINES_TOLD = 20
_MOST_READ = PAYLOAD_LIMIT + 4096  # bytes: with some white space around it


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
        payload = _payload(source)
    publication = publish(chosen, event, payload, utc_now(), key=key, wake=program.wake)
    if publication.not_included is not None:
        raise NotIncluded(publication.not_included)
    if as_json:
        duplicate = {"duplicate": True} if publication.duplicate else {}
        print_json({"event_id": publication.event_id, **duplicate})
        return
    seen = f", whose key {key} was seen before: nothing is sent twice" * publication.duplicate
    say(f"event {publication.event_id}{seen}")


def _payload(source: BufferedReader) -> bytes:
    """All that is given, but for a byte order mark. More than any payload is refused unread: its
    beginning alone might be one.
    """
    payload = source.read(_MOST_READ + 1)
    if len(payload) > _MOST_READ:
        raise BadPayload(f"It is longer than the {PAYLOAD_LIMIT} bytes that a payload may have.")
    return payload.removeprefix(codecs.BOM_UTF8)


@click.command(short_help="Publish what a push from the registers changed.")
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
    progress = Progress()
    bad_lines = _BadLines(progress)
    with opened(file) as source:
        report = run_sync(
            chosen,
            read_lines(source),
            utc_now,
            wake=program.wake,
            on_bad=bad_lines.tell,
            on_progress=lambda so_far: progress.show(_told(so_far)),
        )
    bad_lines.end()
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


class _BadLines:
    """Tells the first bad lines of a push one by one, and how many more there were."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._count = 0

    def tell(self, number: int, why: str) -> None:
        self._count += 1
        if self._count <= _BAD_LINES_TOLD:
            self._progress.clear()
            click.echo(f"line {number}: {clean(why)}", err=True)

    def end(self) -> None:
        self._progress.clear()
        if self._count > _BAD_LINES_TOLD:
            click.echo(f"… and {self._count - _BAD_LINES_TOLD} more bad lines", err=True)
