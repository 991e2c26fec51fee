"""What a consumer is called, and whether one of this machine is still there."""

import os
import socket
import subprocess
import sys

import pytest

from core.pipeline.heartbeat import is_missing, own_name


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_this_process_is_here() -> None:
    assert not is_missing(own_name())


def test_a_process_of_this_machine_that_has_ended_is_missing() -> None:
    assert is_missing(f"{socket.gethostname()} {ended_process()}")


@pytest.mark.parametrize("name", ["till 4711", "till", ""])
def test_of_another_machine_nothing_is_known(name: str) -> None:
    assert not is_missing(name)


def test_what_another_account_runs_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not is_missing(own_name())
