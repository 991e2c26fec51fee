"""What is to be exported, what it looks like as NDJSON or CSV, and writing it to stdout."""

import csv
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from io import StringIO
from itertools import repeat

from core.domain.events import EventType
from core.domain.json_line import on_lines
from core.domain.payload import is_intact
from core.errors import BadInput
from core.storage.models import EPOCH
from core.storage.published import Published
from core.use_cases.export import Span
from tui.cli.moments import parse_moment

_RUNS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes a cell for code by
_DAMAGED = b'null,"corrupt":true'
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


def write_export(pages: Iterable[Sequence[Published]], layout: Layout) -> None:
    """Write it to stdout as it comes."""
    out = sys.stdout.buffer
    if layout.format is Format.CSV:
        out.write(_table([_names(layout)]))
    for page in pages:
        documents = on_lines([_document(each) for each in page])
        if layout.format is Format.CSV:
            rows = zip(page, documents, strict=True)
            out.write(_table([_row(each, document, layout) for each, document in rows]))
        else:
            out.writelines(map(_line, page, documents, repeat(layout)))
        out.flush()


def _document(each: Published) -> bytes:
    return each.payload if is_intact(each.payload, each.digest) else _DAMAGED


def _line(each: Published, document: bytes, layout: Layout) -> bytes:
    cursor, business_id, event, created_us, _, _, delivery_id, status = each
    business = f'"business_id":{business_id},' if layout.with_business else ""
    delivery = f',"delivery_id":"{delivery_id}","status":"{status}"' if delivery_id else ""
    head = (
        f'{{"cursor":"{cursor}",{business}"event":"{event}",'
        f'"created_at":"{_wire_time(created_us)}","payload":'
    )
    return b"%b%b%b}\n" % (head.encode(), document, delivery.encode())


def _names(layout: Layout) -> list[str]:
    business = ["business_id"] * layout.with_business
    delivery = ["delivery_id", "status"] * layout.with_delivery
    return ["cursor", *business, "event", "created_at", "payload", *delivery]


def _row(each: Published, document: bytes, layout: Layout) -> list[object]:
    text = document.decode()
    return [
        each.cursor,
        *[each.business_id] * layout.with_business,
        each.event,
        _wire_time(each.created_us),
        f"'{text}" if text.startswith(_RUNS) else text,
        *[each.delivery_id, each.status] * layout.with_delivery,
    ]


def _table(rows: Iterable[Sequence[object]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _wire_time(microseconds: int) -> str:
    """As `signing.wire_time`, whose datetimes cost as much as all the rest of a line."""
    minute, rest = divmod(microseconds, 60_000_000)
    return f"{_minute(minute)}:{rest // 1_000_000:02}.{rest // 1000 % 1000:03}Z"


@lru_cache(4)
def _minute(minutes: int) -> str:
    """Of events that follow one another many share it."""
    return f"{EPOCH + timedelta(minutes=minutes):%Y-%m-%dT%H:%M}"
