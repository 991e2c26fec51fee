"""What commands print: tables and sentences for people, one JSON document for machines.

Whatever came from outside goes through the cleaner first; JSON is ASCII, which every locale prints.
"""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import click
from rich.cells import cell_len, set_cell_size

from core.domain.choices import Format
from core.domain.cleaning import clean
from core.domain.receivers import chat_address
from core.domain.signing import wire_time
from core.use_cases.installation_health import MailVitals, PausedWebhook


def print_json(document: object) -> None:
    click.echo(json.dumps(document, indent=2, default=_plain))


def print_json_line(document: object) -> None:
    """One of a stream of documents, each a line of its own."""
    click.echo(json.dumps(document, default=_plain))


def _plain(value: object) -> object:
    return wire_time(value) if isinstance(value, datetime) else str(value)


def say(sentence: str) -> None:
    click.echo(clean(sentence))


def give_up_stdout() -> None:
    """What is left in its buffer must not fail again when the program ends."""
    with suppress(AttributeError, OSError, ValueError):  # closed from the beginning
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_table(headings: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """Columns as wide as their widest cell; the last one is left as it is."""
    if not rows:
        say(empty)
        return
    lines = [list(headings), *[[_cell(value) for value in row] for row in rows]]
    widths = [max(cell_len(line[column]) for line in lines) for column in range(len(headings) - 1)]
    for line in lines:
        padded = [set_cell_size(cell, width) for cell, width in zip(line, widths, strict=False)]
        click.echo("  ".join([*padded, line[-1]]).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return clean(str(value))


class Progress:
    """How far a long command is, once a second on stderr: in place on a terminal, else in lines."""

    _EVERY = 1.0  # seconds

    def __init__(self) -> None:
        self._next = monotonic() + self._EVERY
        self._in_place = sys.stderr.isatty()
        self._last = ""
        self._shown = False

    def show(self, told: str) -> None:
        if monotonic() < self._next or told == self._last:
            return
        self._next = monotonic() + self._EVERY
        self._last = told
        self.clear()
        click.echo(told, err=True, nl=not self._in_place)
        self._shown = self._in_place

    def clear(self) -> None:
        """Make room for another line, or for the end."""
        if self._shown:
            click.echo("\r\x1b[2K", err=True, nl=False)
            self._shown = False


def say_how_to_chat(
    webhook_id: int, url: str, fmt: Format, http_status: int | None = None, response: str = ""
) -> None:
    """The command that has a chat program told in chat lines, where that is what it needs."""
    address = chat_address(url, fmt, http_status, response)
    if address is None:
        return
    options = ["--url", address] if address != url else []
    options += ["--format", Format.CHAT] if fmt is not Format.CHAT else []
    edit = shlex.join(["aurapos-webhooks", "webhook", "edit", str(webhook_id), *options])
    say(f"It is told in chat lines after `{edit}`.")


def told_of_pause(paused: PausedWebhook) -> str:
    """Since when nothing is sent to a webhook, and how much waits for that."""
    since = f"{paused.paused_at:%a %Y-%m-%d %H:%M} UTC"
    return f"webhook {paused.webhook_id} is paused since {since}; {paused.parked} parked"


def told_of_mail(found: MailVitals) -> str:
    """How much waits to be handed in, and what went wrong."""
    told = f"{found.waiting} wait, {found.failed} of which have failed"
    if found.given_up:
        told += f"; {found.given_up} were given up within a day"
    return f"{told}; the latest: {found.why}" if found.why else told
