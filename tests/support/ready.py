"""A module in a fork of a process that has imported the program already.

Importing it takes ten times as long as most commands do. Each is still a process of its own, with
its arguments, folder, variables and streams, and ends as any other; only how Python itself starts
is not tried. For that, and for another environment, start one anew.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path

import click

from tui.cli.main import main

_FILES = 5  # of a request: what is asked, standard input, output and error, and where to reply
_ROOT = Path(__file__).parents[2]


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
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self.close)

    def close(self) -> None:
        self._control.close()
        self._process.wait()

    def start(self, argv: Sequence[str], folder: Path, *streams: int) -> Fork:
        """Start `python -m module …` there, with these for standard input, output and error."""
        asked = {"argv": argv, "folder": str(folder), "environment": dict(os.environ)}
        ours, theirs = socket.socketpair()
        with tempfile.TemporaryFile() as file, closing(theirs):
            file.write(json.dumps(asked).encode())
            file.seek(0)
            numbers = [file.fileno(), *streams, theirs.fileno()]
            socket.send_fds(self._control, [b"!"], numbers)
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
    """Whether it runs a module, and nothing is set by now that only a new Python would heed."""
    return list(argv[:2]) == [sys.executable, "-m"] and _for_python() == _AT_THE_START


def _for_python() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}


_AT_THE_START = _for_python()


def _serve(control: socket.socket) -> str:
    """Fork for each request; returns in the fork of a fork, with the module to run there."""
    while True:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the ones that wait
        _, files, *_ = socket.recv_fds(control, 1, _FILES)
        if not files:
            sys.exit()  # whoever asked has ended
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            *streams, reply = files
            if process_id := os.fork():
                for number in streams:
                    os.close(number)  # a pipe ends with the command
                _tell_the_end(process_id, reply)
            os.close(reply)
            return _become(*streams)
        for number in files:
            os.close(number)


def _tell_the_end(process_id: int, reply: int) -> None:
    os.write(reply, f"{process_id}\n".encode())
    ended = os.waitid(os.P_PID, process_id, os.WEXITED | os.WNOWAIT)  # the id stays taken
    assert ended is not None
    code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
    os.write(reply, f"{code}\n".encode())
    os._exit(0)


def _become(request: int, *streams: int) -> str:
    with os.fdopen(request) as file:
        asked = json.load(file)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as Python does at its start
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - the same
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115 - the same
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.orig_argv = asked["argv"]
    _, _, module, *sys.argv[1:] = asked["argv"]
    return str(module)


def _import_everything() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        main.get_command(context, name)
    gc.freeze()  # so that a fork's collector writes to nothing that is shared


if __name__ == "__main__":
    _import_everything()
    runpy.run_module(_serve(socket.socket(fileno=int(sys.argv[1]))), run_name="__main__")
