"""A log that nobody reads delays nobody."""

import logging
import os
from collections.abc import Iterator

import pytest

from tests.support.waiting import wait_until
from tui.cli.aside import AsideHandler


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A full one: to read from and to write to."""
    read, write = os.pipe()
    fill(write)
    yield read, write
    os.close(read)
    os.close(write)


def fill(write: int) -> None:
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, b".\n" * 2048)
    except BlockingIOError:
        os.set_blocking(write, True)


def log_lines(handler: logging.Handler, count: int) -> None:
    for number in range(count):
        handler.handle(logging.makeLogRecord({"msg": f"line {number}"}))


def test_what_is_dropped_is_counted_and_told_once_somebody_reads(pipe: tuple[int, int]) -> None:
    read, write = pipe
    handler = AsideHandler(write, waiting=10)
    handler.setFormatter(logging.Formatter("%(message)s %(lines)s", defaults={"lines": ""}))
    log_lines(handler, 50)
    told = b""

    def arrived() -> bool:
        nonlocal told
        told += os.read(read, 65_536)
        return b"dropped here" in told

    wait_until(arrived)
    lines = [line for line in told.decode().splitlines() if line.startswith("line")]
    kept = sum(
        line.strip() != "lines were dropped here, since nobody read the log" for line in lines
    )
    [dropped] = [line.split()[-1] for line in lines if "dropped" in line]
    handler.flush()
    assert 39 <= int(dropped) <= 40, "one more is in the hand of who writes"
    assert kept >= 2


def test_a_reader_that_has_gone_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    handler = AsideHandler(write)
    log_lines(handler, 3)
    handler.flush()
    os.close(write)
    assert capfd.readouterr().err == ""
