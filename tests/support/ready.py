"""The command in a fork of a process that has imported it already.

Importing it takes ten times as long as most commands do. Each is still a process of its own, with
its arguments, folder, variables and streams, and ends as any other; only how Python itself starts
is not tried. For that, and for another environment, start one anew.
"""

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import click

from tui.cli.main import main

_FILES = 5  # of a request: what is asked, standard input, output and error, and where to reply
_ROOT = Path(__file__).parents[2]


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

    def run(
        self, args: Sequence[str], folder: Path, stdin: bytes, seconds: float
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the command with `args`; raises subprocess.TimeoutExpired after so many seconds."""
        asked = {"args": args, "folder": str(folder), "environment": dict(os.environ)}
        with ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(_FILES - 1)]
            for file, content in zip(files, (json.dumps(asked).encode(), stdin), strict=False):
                file.write(content)
                file.seek(0)
            ours, theirs = map(stack.enter_context, socket.socketpair())
            numbers = [file.fileno() for file in (*files, theirs)]
            socket.send_fds(self._control, [b"!"], numbers)
            theirs.close()
            code = _wait_for(ours, args, seconds)
            for file in files:
                file.seek(0)
            return subprocess.CompletedProcess(args, code, files[2].read(), files[3].read())


@cache
def ready_command() -> ReadyCommand:
    """That of this process, started when it is first needed."""
    return ReadyCommand()


def is_as_at_the_start() -> bool:
    """Whether nothing is set by now that only a Python that starts anew would heed."""
    return _for_python() == _AT_THE_START


def _for_python() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}


_AT_THE_START = _for_python()


def _wait_for(reply: socket.socket, args: Sequence[str], seconds: float) -> int:
    """How the command ended, as subprocess tells it."""
    reply.settimeout(seconds)
    with reply.makefile() as lines:
        process_id = int(lines.readline())
        try:
            return int(lines.readline())
        except TimeoutError:
            os.kill(process_id, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(args), seconds) from None


def _serve(control: socket.socket) -> None:
    """Fork for each request; returns in the fork of a fork that is to run the command."""
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
                _tell_the_end(process_id, reply)
            os.close(reply)
            return _become(*streams)
        for number in files:
            os.close(number)


def _tell_the_end(process_id: int, reply: int) -> None:
    os.write(reply, f"{process_id}\n".encode())
    _, status = os.waitpid(process_id, 0)
    os.write(reply, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(request: int, *streams: int) -> None:
    with os.fdopen(request) as file:
        asked = json.load(file)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv[1:] = asked["args"]


def _import_everything() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        main.get_command(context, name)
    gc.freeze()  # so that a fork's collector writes to nothing that is shared


if __name__ == "__main__":
    _import_everything()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    main(prog_name="aurapos-webhooks")
