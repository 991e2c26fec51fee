"""What another account of this machine may do: tried where the tests run as root."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import WebhooksError

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def let_in(folder: Path) -> None:
    """Let every account go through the folder and those above it that are the tests' own."""
    for each in (folder, *folder.parents):
        if each.is_relative_to(tempfile.gettempdir()) and each != Path(tempfile.gettempdir()):
            each.chmod(each.stat().st_mode | 0o011)


def as_nobody(call: Callable[[], object]) -> str:
    """What comes of it in a process of that account: "done", or the error's sentence."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            call()
            os.write(write, b"done")
        except WebhooksError as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as told:
        return told.read()
