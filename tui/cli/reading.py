"""What commands read: a file, or stdin where `-` is written in its place."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import cast

import click

from core.errors import BadInput

file_argument = click.argument("file", default="-", metavar="[FILE|-]")


@contextmanager
def opened(file: str | Path) -> Iterator[BufferedReader]:
    """Its bytes; raises BadInput where there is nothing to read."""
    if str(file) == "-":
        if sys.stdin is None:
            raise BadInput("There is no stdin to read from: name a file, or pipe into the command.")
        yield cast("BufferedReader", sys.stdin.buffer)
        return
    try:
        source = open(file, "rb")  # noqa: PTH123, SIM115 - closed below, once it is known to open
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from None
    with source:
        yield source
