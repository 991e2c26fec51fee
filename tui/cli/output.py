"""What commands print: tables and sentences for people, one JSON document for machines.

Whatever came from outside goes through the cleaner first.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from core.cleaning import clean
from core.signing import wire_time


def print_json(document: object) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, default=_plain))


def print_json_line(document: object) -> None:
    """One of a stream of documents, each a line of its own."""
    click.echo(json.dumps(document, ensure_ascii=False, default=_plain))


def _plain(value: object) -> object:
    return wire_time(value) if isinstance(value, datetime) else str(value)


def say(sentence: str) -> None:
    click.echo(clean(sentence))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """Columns as wide as their widest cell; the last one is left as it is."""
    if not rows:
        say(empty)
        return
    lines = [list(headings), *[[_cell(value) for value in row] for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings) - 1)]
    for line in lines:
        padded = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        click.echo("  ".join([*padded, line[-1]]).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return clean(str(value))
