"""A module, or code, in a fork of a process that has imported the program already.

Importing it takes ten times as long as most commands do. Each is still a process of its own, with
its arguments, folder, variables and streams, and ends as any other; only how Python itself starts
is not tried. For that, and for an environment that an import heeds, start one anew.
"""

import atexit
import fcntl
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from functools import cache
from pathlib import Path
from select import select

import click
import peewee  # noqa: F401 - before a command chooses which drivers it finds

from tui.cli.main import main
from tui.cli.terminal import app_class

_FILES = 5  # of a request: what is asked, standard input, output and error, and where to reply
_MANY = 4096  # bytes: one for each process that has ended
_ROOT = Path(__file__).parents[2]
_COMMAND, _SCREENS = b"c", b"s"  # what is asked for: the latter in a terminal
_AT_THE_START = dict(os.environ)


class Fork:
    """A process that is waited for and signalled as a subprocess.Popen is."""

    def __init__(self, argv: Sequence[str], reply: socket.socket) -> None:
        self.returncode: int | None = None
        self._argv, self._reply, self._told = argv, reply, b""
        self.pid = self._next_number(None)

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            try:
                self.returncode = self._next_number(timeout)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(list(self._argv), timeout or 0) from None
            self._reply.close()
        return self.returncode

    def send_signal(self, signum: signal.Signals) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended since, as for subprocess.Popen
                os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _next_number(self, timeout: float | None) -> int:
        self._reply.settimeout(timeout)
        while b"\n" not in self._told:
            told = self._reply.recv(64)
            assert told, "whoever waited for it was killed"
            self._told += told
        number, self._told = self._told.split(b"\n", 1)
        return int(number)


class ReadyCommand:
    """A process that waits for commands; it ends when this process does."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=_ROOT,
                env=_AT_THE_START,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self.close)

    def close(self) -> None:
        self._control.close()
        self._process.wait()

    def start(self, argv: Sequence[str], folder: Path, *streams: int) -> Fork:
        """Start `python -m module …`, or `-c code …`, there, with these for standard input, output
        and error.
        """
        return self._start(_COMMAND, argv, folder, os.environ, streams)

    def start_in(
        self, terminal: int, argv: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> Fork:
        """The same with those variables, as the one whose controlling terminal this is."""
        return self._start(_SCREENS, argv, folder, environment, [terminal] * 3)

    def _start(
        self,
        kind: bytes,
        argv: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        streams: Sequence[int],
    ) -> Fork:
        asked = {
            "argv": argv,
            "folder": str(folder),
            "environment": dict(environment),
            "in_terminal": kind == _SCREENS,
        }
        ours, theirs = socket.socketpair()
        with tempfile.TemporaryFile() as file, closing(theirs):
            file.write(json.dumps(asked).encode())
            file.seek(0)
            numbers = [file.fileno(), *streams, theirs.fileno()]
            socket.send_fds(self._control, [kind], numbers)
        return Fork(argv, ours)

    def run(
        self, argv: Sequence[str], folder: Path, stdin: bytes, seconds: float
    ) -> subprocess.CompletedProcess[bytes]:
        """The same to its end; raises subprocess.TimeoutExpired after so many seconds."""
        with ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(_FILES - 2)]
            files[0].write(stdin)
            files[0].seek(0)
            process = self.start(argv, folder, *(file.fileno() for file in files))
            try:
                code = process.wait(seconds)
            finally:
                process.kill()
            for file in files:
                file.seek(0)
            return subprocess.CompletedProcess(argv, code, files[1].read(), files[2].read())


@cache
def ready_command() -> ReadyCommand:
    """That of this process, started when it is first needed."""
    return ReadyCommand()


def can_be_forked(argv: Sequence[str]) -> bool:
    """Whether it is Python's, and nothing is set by now that only a new Python would heed."""
    is_python = argv[0] == sys.executable and argv[1] in {"-m", "-c"}
    return is_python and _for_python(os.environ) == _for_python(_AT_THE_START)


def _for_python(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


def _serve(control: socket.socket) -> tuple[str, str]:
    """Fork for each request; returns in the fork, with what to run there."""
    replies: dict[int, int] = {}  # of each process, where to tell its end
    told, tell = socket.socketpair()
    tell.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
    while True:
        ready, _, _ = select([control, told], [], [])
        if told in ready:
            told.recv(_MANY)
            _tell_who_ended(replies)
        if control not in ready:
            continue
        kind, files, *_ = socket.recv_fds(control, 1, _FILES)
        if not files:
            sys.exit()  # whoever asked has ended
        if kind == _SCREENS:
            _import_screens()
        *streams, reply = files
        if not (process_id := os.fork()):
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for each in (control, told, tell):
                each.close()
            for number in (reply, *replies.values()):
                os.close(number)
            return _become(*streams)
        for number in streams:
            os.close(number)  # a pipe ends with the command
        os.write(reply, f"{process_id}\n".encode())
        replies[process_id] = reply


def _tell_who_ended(replies: dict[int, int]) -> None:
    for process_id in list(replies):
        ended = os.waitid(os.P_PID, process_id, os.WEXITED | os.WNOHANG)
        if ended is None:
            continue
        code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        reply = replies.pop(process_id)
        with suppress(BrokenPipeError):  # where nobody waits any more
            os.write(reply, f"{code}\n".encode())
        os.close(reply)


def _become(request: int, *streams: int) -> tuple[str, str]:
    with os.fdopen(request) as file:
        asked = json.load(file)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if asked["in_terminal"]:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    _open_streams()
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    sys.orig_argv = asked["argv"]
    _, option, what, *sys.argv[1:] = asked["argv"]
    return option, what


def _open_streams() -> None:
    """As Python does at its start."""
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115 - the same
    sys.stderr = sys.__stderr__ = open(  # noqa: SIM115 - the same
        2, "w", 1, errors="backslashreplace", closefd=False
    )


def _import_everything() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        main.get_command(context, name)
    gc.freeze()  # so that a fork's collector writes to nothing that is shared


@cache
def _import_screens() -> None:
    """What most commands do without, once it is asked for."""
    app_class()
    gc.freeze()


def _run(option: str, what: str) -> None:
    """As Python does, but for the last of its end: to take apart all that is imported would first
    copy the memory that is shared with the process this was forked from.
    """
    try:
        if option == "-m":
            runpy.run_module(what, run_name="__main__")
        else:
            exec(what, {"__name__": "__main__"})  # noqa: S102 - what `python -c` is for
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        threading._shutdown()
        atexit._run_exitfuncs()
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code or 0)
        raise  # of a stream that takes no more, Python tells in its own way


if __name__ == "__main__":
    _import_everything()
    _run(*_serve(socket.socket(fileno=int(sys.argv[1]))))
