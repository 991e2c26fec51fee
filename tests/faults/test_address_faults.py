"""Addresses that change between the day a URL is saved and the moment it is called."""

from pathlib import Path

import pytest

from tests.support.installation import Installation, command_after
from tests.support.scripted import Scripted

NAME = "hooks.example.net"
TURNED_INSIDE = command_after(f"""
import socket
ask = socket.getaddrinfo
def turned(name, *how, **more):
    return ask("127.0.0.1" if name == "{NAME}" else name, *how, **more)
socket.getaddrinfo = turned
""")
"""The command, on a machine where that name has become one of its own addresses."""


@pytest.mark.fault(32, "DNS turns private after save")
def test_a_name_that_turns_private_after_it_was_saved_is_blocked_and_not_dialled(
    tmp_path: Path, database_url: str, receiver: Scripted
) -> None:
    config = f'[delivery]\nallow_http = true\n[database]\nurl = "{database_url}"\n'
    installed = Installation(tmp_path, config)
    installed.init()
    installed.add_webhook(receiver.url.replace("127.0.0.1", NAME))
    installed.emit()
    installed.command = TURNED_INSIDE
    assert installed.json("tick")["failed"] == 1
    [row] = installed.deliveries()
    assert (row["status"], row["error"]) == ("failed", "blocked")
    assert row["next_attempt_at"] is not None
    assert receiver.requests == []
