"""Textual's driver, but keys come at once, and nothing that a terminal sends is without bound."""

import asyncio
import os
import select
from codecs import getincrementaldecoder
from collections.abc import Iterator
from concurrent.futures import Future
from time import monotonic, sleep
from typing import Any

from textual import events
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.message import Message

from tui.keystrokes import ESC, PROBE, Keystrokes, Pasted
from tui.shown import Shown

MOST_COLUMNS, MOST_ROWS = 640, 200  # what a screen is drawn for, whatever a terminal claims
READ_AT_ONCE = 1024  # bytes; each may become an event of some kilobytes
MOST_BEHIND = 256  # events that wait to be handled, before no more is read
_PATIENCE = 0.5  # seconds for the rest of a key, where the terminal does not answer
_LOOK = 0.1  # seconds between two looks whether the end has come
_PAUSE = 0.005


class Terminal(LinuxDriver):
    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **how)
        self.shown = Shown()
        self._size = self._size or self._get_terminal_size()
        self._sent: Future[bool] | None = None  # the last event, until it is in the app's queue

    def _get_terminal_size(self) -> tuple[int, int]:
        return _drawn(*super()._get_terminal_size())

    def start_application_mode(self) -> None:
        self.shown.forget()
        super().start_application_mode()  # type: ignore[no-untyped-call]  # Textual's

    def process_message(self, message: Message) -> None:
        if isinstance(message, events.Resize):
            self.shown.forget()
            columns, rows = message.size
            size = Size(*_drawn(columns, rows))
            message = events.Resize(size, size, pixel_size=message.pixel_size)
        super().process_message(message)

    def send_message(self, message: Message) -> None:
        post = self._app._post_message(message)  # noqa: SLF001 - as the class above has it
        self._sent = asyncio.run_coroutine_threadsafe(post, loop=self._loop)

    def run_input_thread(self) -> None:
        """Read keys until the end; a terminal that has gone is an end too."""
        decode = getincrementaldecoder("utf-8")("replace").decode
        strokes, parser = Keystrokes(), _Sequences()
        deadline = 0.0
        while not self.exit_event.is_set():
            left = deadline - monotonic() if strokes.is_unfinished else _LOOK
            ready, _, _ = select.select([self.fileno], [], [], max(0.0, min(left, _LOOK)))
            if ready:
                try:
                    data = os.read(self.fileno, READ_AT_ONCE)
                except OSError:
                    return
                if not data:
                    return
                pieces = strokes.feed(decode(data))
                deadline = monotonic() + _PATIENCE
                if strokes.is_escape:
                    self.write(PROBE)
            elif strokes.is_unfinished and monotonic() >= deadline:
                pieces = strokes.end()
            else:
                continue
            for piece in pieces:
                for message in parser.told_by(piece):
                    self.process_message(message)
            self._wait_until_handled()

    def _wait_until_handled(self) -> None:
        """Leave what comes faster than it is handled in the terminal's own buffer."""
        while self._is_behind() and not self.exit_event.is_set():
            sleep(_PAUSE)

    def _is_behind(self) -> bool:
        if self._sent is not None and not self._sent.done():
            return True
        stack = self._app.screen_stack
        pumps = [self._app, *stack[-1:], *(each for each in [self._app.focused] if each)]
        return any(pump.message_queue_size > MOST_BEHIND for pump in pumps)


def _drawn(columns: int, rows: int) -> tuple[int, int]:
    return min(columns, MOST_COLUMNS), min(rows, MOST_ROWS)


class _Sequences(XTermParser):
    """Textual's own, for whole sequences: one that it does not know it takes for the beginning of
    the next."""

    def told_by(self, piece: str | Pasted) -> Iterator[Message]:
        if isinstance(piece, Pasted):
            yield events.Paste(piece.text.replace("\x00", ""))
        elif piece == ESC:
            yield events.Key("escape", ESC)
        else:
            yield from list(self.feed(piece))
            if self._awaiting.timeout is not None:
                self._timeout_time = 0.0
                list(self.tick())
