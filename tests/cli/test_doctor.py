"""What `doctor` finds in an installation that somebody has been at."""

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from core.config import load_config, settings_of
from core.pipeline.heartbeat import record_end, record_tick
from core.storage.clock import utc_now
from core.storage.database import transaction
from core.storage.models import Event, Webhook
from tests.support.accounts import NOBODY, needs_root
from tests.support.installation import FAST, Installation
from tests.support.scene import NOON


def found(installed: Installation, check: str) -> list[str]:
    lines = installed.run("doctor").stdout.splitlines()
    return [line for line in lines if line[8:18].strip() == check]


def test_a_clock_that_is_behind_the_last_tick(installed: Installation) -> None:
    with installed.tables():
        record_tick("till 1", utc_now() + timedelta(minutes=10))
    [told] = found(installed, "clock")
    assert told.startswith("BAD     clock     It is behind the last tick, which was at ")
    assert "s from now: set the clocks (NTP)" in told


def test_a_worker_that_was_killed_is_told_before_its_ticks_are_old(installed: Installation) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as killed:
        killed.wait()
    settings = settings_of(load_config(installed.config))
    with installed.tables():
        record_tick(f"{socket.gethostname()} {killed.pid}", utc_now(), settings)
    [told] = found(installed, "worker")
    assert told.startswith("warning worker    The last tick was ")
    assert f"there is no process {killed.pid} on this machine any more: was it killed?" in told
    assert "no such process here any more" in installed.ok("status")
    with installed.tables():
        record_tick("till 1", utc_now(), settings)
    [told] = found(installed, "worker")
    assert told.startswith("ok      worker    the last tick was "), "another goes on"


def test_a_worker_that_ended_in_order_is_told(installed: Installation) -> None:
    with installed.tables():
        record_tick("till 1", utc_now())
        record_end("till 1", utc_now())
    [told] = found(installed, "worker")
    assert told.startswith("warning worker    The last one ended in order ")
    assert "start `aurapos-webhooks worker`" in told


@pytest.mark.files_only("is about files")
def test_a_queue_folder_that_is_missing(installed: Installation) -> None:
    installed.config.write_text(f'[queue]\nurl = "sqlite:///gone/queue.db"\n{FAST}')
    [told] = found(installed, "queue")
    assert told.startswith("BAD     queue     There is no folder ")
    assert f"make it with `mkdir -m 700 {installed.folder}/gone`, owned by the worker's" in told
    assert not (installed.folder / "gone").exists()


@pytest.mark.files_only("is about files")
@needs_root
def test_files_that_are_roots_among_an_accounts(installed: Installation) -> None:
    os.chown(installed.folder, NOBODY, NOBODY)
    told = [line for line in found(installed, "files") if line.startswith("BAD")]
    names = ("aurapos-webhooks.db", "aurapos-webhooks-queue.db", "aurapos-webhooks.key")
    assert len(told) == len(names)
    for name in names:
        path = installed.folder / name
        remedy = f"{path} belongs to root, and must to nobody: run `chown nobody: {path}`."
        assert f"BAD     files     {remedy}" in told
        os.chown(path, NOBODY, NOBODY)
    assert not [line for line in found(installed, "files") if line.startswith("BAD")]


def test_a_ca_file_that_is_missing(installed: Installation) -> None:
    with installed.config.open("a") as config:
        config.write('ca_file = "gone.pem"\n')
    [told] = found(installed, "ca_file")
    assert told.startswith("BAD     ca_file")
    assert "gone.pem" in told
    assert "No such file" in told


def test_who_asked_to_be_left_alone_is_told(installed: Installation) -> None:
    installed.add_webhook("https://example.com/")
    until = datetime.now(UTC) + timedelta(hours=1)
    with installed.tables():
        Webhook.update(held_until=until).execute()
    [told] = found(installed, "held")
    assert f"webhook 1 is sent nothing until {until:%Y-%m-%d %H:%M}" in told
    assert "its receiver asked for it" in installed.ok("webhook", "show", "1")
    shown = installed.json("webhook", "show", "1")
    assert shown["held_until"].startswith(f"{until:%Y-%m-%dT%H:%M}")


def test_what_is_parked_is_told_and_when_it_would_be_lost(installed: Installation) -> None:
    installed.add_webhook("https://example.com/")
    installed.ok("webhook", "pause", "1")
    installed.emit()
    installed.run("tick")
    [told] = found(installed, "paused")
    assert told.startswith("ok      paused    webhook 1 is paused since ")
    assert told.endswith("; 1 parked")
    config = installed.config.read_text()
    installed.config.write_text(config + '[history]\nkeep = "6d"\n')
    [told] = found(installed, "paused")
    assert told.startswith("warning paused")
    assert "`aurapos-webhooks webhook resume 1`" in told


def test_webhooks_that_the_settings_of_now_block_are_named(installed: Installation) -> None:
    for number in range(3):
        installed.add_webhook(f"https://example.com:{2000 + number}/")
    for number in range(2):
        installed.add_webhook(f"http://127.0.0.1:8080/{number}")
    assert found(installed, "webhooks") == []
    config = installed.config.read_text()
    installed.config.write_text(config.replace("allow_http = true", "allow_http = false"))
    [told] = found(installed, "webhooks")
    assert told.startswith("warning webhooks  4, 5 may not be called by the settings of now")


def test_what_another_program_wrote_and_cannot_be_sent_is_told(installed: Installation) -> None:
    assert found(installed, "outbox") == []
    with installed.tables(), transaction():
        Event.insert(business=1, type="x", payload=b"{}", created_at=NOON).execute()
    installed.run("tick")
    [told] = found(installed, "outbox")
    assert told.startswith("warning outbox    Set aside because it cannot be sent: 1 of the events")
    assert "Its type is none of ticket.created" in told


def test_a_webhook_whose_conditions_keep_everything_back(installed: Installation) -> None:
    installed.add_webhook("https://example.com/hook")
    installed.ok("webhook", "edit", "1", "--only", "total_tvac >= 100")
    installed.emit('{"total_tvac": 1}')
    assert found(installed, "only") == []
    installed.ok("tick")
    [told] = found(installed, "only")
    assert told.startswith("ok      only      webhook 1 got nothing in the last 24 hours")
    assert "kept back all that happened, 1 in number" in told
