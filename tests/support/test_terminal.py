"""What a program finds in the terminal that tests open, whether Python starts anew or is forked."""

import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.terminal import ForkInTerminal, terminal_with

FOUND = """
import os, sys
print("leads", os.getsid(0) == os.getpid() == os.tcgetpgrp(0), end=", ")
with open("/dev/tty") as controlling:
    print("controls", os.ttyname(controlling.fileno()) == "/dev/tty", end=", ")
same = {os.ttyname(stream.fileno()) for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__)}
print("streams", len(same), "size", *os.get_terminal_size(), "term", os.environ["TERM"])
print("in", os.path.basename(os.getcwd()), flush=True)
input()
sys.exit(3)
"""
WAITING = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup and a shell's & have them ignored
signal.signal(signal.SIGHUP, signal.SIG_DFL)
print("waits", flush=True)
time.sleep(600)
"""

either = pytest.mark.parametrize("anew", [False, True], ids=["forked", "anew"])


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@either
def test_it_is_the_program_s_own(tmp_path: Path, anew: bool) -> None:
    how: dict[str, Any] = {"columns": 70, "rows": 5, "TERM": "vt100"}
    with terminal_with(python(FOUND), tmp_path, anew=anew, **how) as t:
        t.wait_for("leads True, controls True, streams 1 size 70 5 term vt100")
        t.wait_for(f"in {tmp_path.name}")
        assert isinstance(t.process, ForkInTerminal) != anew
        t.process.send("\r")
        assert t.wait_for_end() == 3


@either
def test_its_keys_send_signals(tmp_path: Path, anew: bool) -> None:
    with terminal_with(python(WAITING), tmp_path, anew=anew) as t:
        t.wait_for("waits")
        t.process.send("\x03")
        t.wait_for("KeyboardInterrupt")


def test_a_fork_is_hung_up_on_when_it_closes(tmp_path: Path) -> None:
    with terminal_with(python(WAITING), tmp_path) as t:
        t.wait_for("waits")
        assert isinstance(t.process, ForkInTerminal)
        t.process.close()
        assert t.process.wait() == -signal.SIGHUP


def test_what_only_a_new_python_heeds_starts_one(tmp_path: Path) -> None:
    with terminal_with(python(WAITING), tmp_path, LC_ALL="C.UTF-8") as t:
        t.wait_for("waits")
        assert not isinstance(t.process, ForkInTerminal)
