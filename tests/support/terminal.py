"""A real terminal of 80 by 24 with the real command in it, and somebody at its keys."""

import os
import re
import signal
import termios
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pexpect
import pyte
from pexpect.fdpexpect import fdspawn

from tests.support.installation import COMMAND
from tests.support.notes import notes
from tests.support.ready import Fork, can_be_forked, ready_command
from tests.support.waiting import PATIENCE, wait_until

DOWN, TAB, ENTER, ESCAPE, SAVE = "\x1b[B", "\t", "\r", "\x1b", "\x13"
_ANOTHERS = {"NO_COLOR", "COLUMNS", "LINES"}  # what the tests' own terminal is like
_READ_LATER = {"NO_COLOR", "TERM"}  # once all is imported, so that a fork heeds them
_QUIET = 0.4  # seconds of silence after which an answer is whole


class ForkInTerminal(fdspawn):
    """What pexpect.spawn is, of a process that was forked from the ready one."""

    def __init__(self, process: Fork, terminal: int) -> None:
        super().__init__(terminal)
        self.pid, self._process = process.pid, process

    def isalive(self) -> bool:
        return self._process.poll() is None

    def kill(self, signum: int) -> None:
        self._process.send_signal(signal.Signals(signum))

    def wait(self) -> int:
        self.exitstatus = self._process.wait(PATIENCE)
        return self.exitstatus

    def setwinsize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self.child_fd, (rows, columns))


class Terminal:
    """What was written to it, as bytes, and what is to be seen in it."""

    def __init__(
        self, process: "pexpect.spawn[bytes] | ForkInTerminal", columns: int, rows: int
    ) -> None:
        self.process = process
        self.written = b""
        self.answers: dict[str, str] = {}  # what it says to what it is asked
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def lines(self) -> list[str]:
        return list(self._screen.display)

    @property
    def text(self) -> str:
        """The screen in one line, without the breaks in its sentences."""
        return " ".join(" ".join(self.lines).split())

    def colours(self) -> set[tuple[str, str]]:
        """The colours there are on the screen: of the letters and of the ground."""
        return {(cell.fg, cell.bg) for row in self.cells() for cell in row}

    def cells(self) -> list[list[pyte.screens.Char]]:
        """What is on the screen now, row by row."""
        rows, columns = range(self._screen.lines), range(self._screen.columns)
        return [[self._screen.buffer[row][column] for column in columns] for row in rows]

    def press(self, *keys: str) -> int:
        """Press these one by one; how many bytes the answer to the last one had."""
        answered = 0
        for key in keys:
            self.process.send(key)
            answered = self._read_until_quiet()
        return answered

    def seconds_to_answer(self, key: str) -> float:
        """From the key to the first byte of what it changes; then the rest of that is read."""
        begin = monotonic()
        self.process.send(key)
        while not self._read(PATIENCE):
            assert monotonic() - begin < PATIENCE, "it did not answer"
        took = monotonic() - begin
        self._read_until_quiet()
        return took

    def wait_for(self, wanted: str, seconds: float = PATIENCE) -> "re.Match[str]":
        """Until a text that matches is to be seen."""
        deadline = monotonic() + seconds
        while (found := re.search(wanted, self.text)) is None:
            assert monotonic() < deadline, f"{wanted!r} is not to be seen in\n" + "\n".join(
                self.lines
            )
            self._read(0.1)
        return found

    def bytes_during(self, seconds: float) -> int:
        """How many bytes come without a key being pressed."""
        before, deadline = len(self.written), monotonic() + seconds
        while (left := deadline - monotonic()) > 0:
            self._read(left)
        return len(self.written) - before

    def fall_silent(self, seconds: float = 1) -> None:
        """Read until nothing comes for so long: by then all is drawn, and nothing goes on."""
        wait_until(lambda: self.bytes_during(seconds) == 0)

    def cost_of(self, *keys: str) -> int:
        """How many bytes are written of these keys, pressed quickly, and all that they lead to."""
        before = len(self.written)
        for key in keys:
            self.process.send(key)
            self.bytes_during(0.05)
        wait_until(lambda: self.bytes_during(1) == 0 and len(self.written) > before)
        return len(self.written) - before

    def wait_for_end(self) -> int:
        """Read until the program has ended; its exit status."""
        deadline = monotonic() + PATIENCE
        while self._read(0.1) is not None:
            assert monotonic() < deadline, "it did not end"
        self.process.wait()
        if self.process.exitstatus is None:  # pexpect's own tell a signal apart
            return -int(self.process.signalstatus or 0)
        return int(self.process.exitstatus)

    def _read_until_quiet(self) -> int:
        before = len(self.written)
        while self._read(_QUIET):
            pass
        return len(self.written) - before

    def _read(self, seconds: float) -> int | None:
        """Read for so long at most; how much, None at the end."""
        try:
            data = self.process.read_nonblocking(65_536, seconds)
        except pexpect.TIMEOUT:
            return 0
        except pexpect.EOF:
            return None
        self.written += data
        self._stream.feed(data)
        for question, answer in self.answers.items():
            if question.encode() in data:
                self.process.send(answer)
        return len(data)


@contextmanager
def terminal_with(
    argv: list[str],
    folder: Path,
    *,
    columns: int = 80,
    rows: int = 24,
    anew: bool = False,
    **environment: str,
) -> Iterator[Terminal]:
    """A program in a terminal of its own; whatever is left of it ends with the block.

    One of Python's is a fork of the ready process, unless it is to start `anew` or is given what a
    fork does not heed.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in _ANOTHERS}
    env = {**inherited, "TERM": "xterm-256color", **environment}
    is_forked = not anew and environment.keys() <= _READ_LATER and can_be_forked(argv)
    process = (_fork if is_forked else _spawn)(argv, folder, env, (rows, columns))
    process.delaybeforesend = None  # its default waits 50 ms before each key
    opened = Terminal(process, columns, rows)
    notes().said[f"the terminal of process {process.pid}"] = lambda: opened.written
    try:
        yield opened
    finally:
        if process.isalive():
            process.kill(signal.SIGKILL)
            process.wait()
        process.close()


def _spawn(
    argv: list[str], folder: Path, env: dict[str, str], size: tuple[int, int]
) -> "pexpect.spawn[bytes]":
    return pexpect.spawn(argv[0], argv[1:], cwd=str(folder), env=env, dimensions=size)


def _fork(
    argv: list[str], folder: Path, env: dict[str, str], size: tuple[int, int]
) -> ForkInTerminal:
    ours, theirs = os.openpty()
    try:
        termios.tcsetwinsize(theirs, size)
        process = ready_command().start_in(theirs, argv, folder, env)
    finally:
        os.close(theirs)  # so that there is an end to be read once the program has ended
    return ForkInTerminal(process, ours)


def terminal(folder: Path, *args: str, **how: Any) -> AbstractContextManager[Terminal]:
    """The same with our own command."""
    return terminal_with([*COMMAND, *args], folder, **how)
