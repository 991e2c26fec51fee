"""What is to be exported, what it looks like as NDJSON or CSV, and writing it to stdout."""

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from io import StringIO
from itertools import repeat
from operator import mod
from typing import Any

from core.domain.events import EventType
from core.domain.json_line import on_lines
from core.domain.payload import are_intact, is_intact
from core.domain.signing import wire_time_of
from core.errors import BadInput
from core.storage.published import Page
from core.use_cases.export import Span
from tui.cli.moments import parse_moment

_RUNS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes a cell for code by
_DAMAGED = b'null,"corrupt":true'
_TEXT = '"%b"'  # its place in a line
_PLACES = {"cursor": '"%d"', "business_id": "%d", "payload": "%b"}
_LONGEST_CURSOR = 18  # digits: a number to every engine


class Format(StrEnum):
    NDJSON = "ndjson"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Layout:
    """What each line of an export has."""

    format: Format = Format.NDJSON
    with_delivery: bool = False  # of what a webhook did not get
    with_business: bool = False  # where it is of several

    @property
    def columns(self) -> list[str]:
        business = ["business_id"] * self.with_business
        delivery = ["delivery_id", "status"] * self.with_delivery
        return ["cursor", *business, "event", "created_at", "payload", *delivery]

    @property
    def line(self) -> bytes:
        """Of NDJSON, with a place for the value of each column."""
        places = [f'"{name}":{_PLACES.get(name, _TEXT)}' for name in self.columns]
        return f"{{{','.join(places)}}}\n".encode()


def _parse_cursor(text: str) -> int:
    """A line's `cursor`; raises BadInput."""
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_CURSOR):
        raise BadInput(f"{text!r} is not a cursor: use the one on the last line you have.")
    return int(text)


def parse_span(
    now: datetime,
    *,
    since: str | None = None,
    until: str | None = None,
    after: str | None = None,
    event: str | None = None,
    undelivered: str | int | None = None,
) -> Span:
    """Which events are meant, each value as it is written on the command line or asked for over
    SSH; raises BadInput. Of the event and the webhook it must be known that they are such.
    """
    return Span(
        since=parse_moment(since, now) if since is not None else None,
        until=parse_moment(until, now) if until is not None else None,
        after=_parse_cursor(after) if after is not None else None,
        event=EventType(event) if event is not None else None,
        undelivered=int(undelivered) if undelivered is not None else None,
    )


def write_export(pages: Iterable[Page], layout: Layout) -> None:
    """Write it to stdout as it comes."""
    out = sys.stdout.buffer
    if layout.format is Format.CSV:
        out.write(_table([layout.columns]))
    for page in pages:
        rows = _rows(page, layout.columns)
        if layout.format is Format.CSV:
            out.write(_table(map(_cells, rows)))
        else:  # by `%` of bytes and in C, row for row: so it costs no more than reading them does
            out.write(b"".join(map(mod, repeat(layout.line), rows)))
        out.flush()


def _rows(page: Page, columns: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    """The values of these columns, each as it is written; those that are no numbers as bytes."""
    values: dict[str, Iterable[Any]] = {
        "cursor": page.column("cursor"),
        "business_id": page.column("business_id"),
        "event": map(str.encode, page.column("event")),
        "created_at": (wire_time_of(each).encode() for each in page.column("created_us")),
        "payload": _documents(page),
        "delivery_id": (str(each).encode() for each in page.column("delivery_id")),
        "status": map(str.encode, page.column("status")),
    }
    return zip(*(values[name] for name in columns), strict=True)


def _documents(page: Page) -> Sequence[bytes]:
    payloads, digests = list(page.column("payload")), list(page.column("digest"))
    if are_intact(payloads, digests):
        return on_lines(payloads)
    each = zip(payloads, digests, strict=True)
    return on_lines([payload if is_intact(payload, told) else _DAMAGED for payload, told in each])


def _cells(row: Iterable[int | bytes]) -> list[str]:
    """Of a table, that no spreadsheet runs."""
    texts = (cell.decode() if isinstance(cell, bytes) else str(cell) for cell in row)
    return [f"'{text}" if text.startswith(_RUNS) else text for text in texts]


def _table(rows: Iterable[Iterable[str]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
