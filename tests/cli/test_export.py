"""`events export`: what a weekly job pulls, as it sees it."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.storage.database import open_database, transaction
from core.storage.models import Event
from tests.support.installation import Installation
from tests.support.scene import close_database


def export(installed: Installation, *args: str) -> Any:
    return list(map(json.loads, installed.ok("events", "export", *args).splitlines()))


def test_each_line_is_an_event_with_its_cursor(installed: Installation) -> None:
    ids = [installed.emit(f'{{"numero": {n}, "total_tvac": 55.10}}') for n in range(3)]
    told = installed.ok("events", "export", "--since", "8d")
    assert told.count("\n") == 3
    assert '"payload":{"numero": 0, "total_tvac": 55.10}}' in told, "byte for byte"
    rows = export(installed, "--since", "8d")
    assert [list(row) for row in rows] == [["cursor", "event", "created_at", "payload"]] * 3
    assert [row["cursor"] for row in rows] == list(map(str, ids))
    assert {row["event"] for row in rows} == {"ticket.created"}
    moment = datetime.strptime(rows[0]["created_at"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert timedelta() <= datetime.now(UTC) - moment < timedelta(minutes=5)


def test_a_time_is_told_as_on_the_wire(installed: Installation) -> None:
    installed.add_webhook("https://hooks.example.org/")
    installed.emit()
    installed.ok("tick")
    [row] = export(installed, "--since", "1h")
    [delivery] = installed.deliveries()
    assert row["created_at"] == delivery["created_at"]


def test_the_next_run_goes_on_after_the_last_cursor(installed: Installation) -> None:
    for _ in range(3):
        installed.emit()
    first = export(installed, "--since", "8d")
    assert export(installed, "--after", first[1]["cursor"]) == first[2:]
    assert export(installed, "--after", first[2]["cursor"]) == []


def test_a_payload_of_many_lines_is_one_line(installed: Installation) -> None:
    installed.emit('{\n  "a": "x\\ny"\n}')
    [row] = export(installed, "--since", "1h")
    assert row["payload"] == {"a": "x\ny"}


def test_what_a_customer_wrote_does_nothing_to_a_terminal(installed: Installation) -> None:
    installed.emit('{"nom": "\x9b2J\u202eéva"}')
    told = installed.ok("events", "export", "--since", "1h")
    assert '{"nom": "\\u009b2J\\u202eéva"}' in told


def test_csv_has_the_same_columns_and_nothing_that_a_spreadsheet_runs(
    installed: Installation,
) -> None:
    payloads = ['{"a":"b,c"}', "-5", '"=cmd()"']
    for payload in payloads:
        installed.emit(payload)
    told = installed.ok("events", "export", "--since", "1h", "--format", "csv")
    heading, *rows = csv.reader(io.StringIO(told))
    assert heading == ["cursor", "event", "created_at", "payload"]
    assert [row[3] for row in rows] == ['{"a":"b,c"}', "'-5", '"=cmd()"']


def test_what_a_webhook_did_not_get_has_its_delivery(installed: Installation) -> None:
    installed.add_webhook("https://hooks.example.org/")
    installed.emit()
    installed.ok("tick")
    [row] = export(installed, "--since", "1h", "--undelivered", "1")
    [delivery] = installed.deliveries()
    assert (row["delivery_id"], row["status"]) == (delivery["delivery_id"], delivery["status"])
    told = installed.ok("events", "export", "--after", "0", "--undelivered", "1", "--format", "csv")
    heading, cells = csv.reader(io.StringIO(told))
    assert heading[-2:] == ["delivery_id", "status"]
    assert cells[-2:] == [row["delivery_id"], row["status"]]


def test_as_a_member_it_has_that_member_s_rights(installed: Installation) -> None:
    installed.emit()
    installed.ok("member", "add", "sam", "--role", "staff")
    assert export(installed, "--since", "1h", "--as", "marie")
    told = installed.fails("events", "export", "--since", "1h", "--as", "sam", "--business", "1")
    assert "Only an owner" in told


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "Say where to begin"),
        (("--after", "x"), "'x' is not a cursor"),
        (("--after", "-1"), "'-1' is not a cursor"),
        (("--after", "9" * 30), "is not a cursor"),
        (("--since", "yesterday"), "is not a time"),
        (("--since", "1d", "--until", "tomorrow"), "is not a time"),
        (("--since", "1d", "--undelivered", "7"), "no webhook 7"),
        (("--since", "1d", "--business", "7"), "no business 7"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_told_in_one_sentence(
    installed: Installation, args: tuple[str, ...], words: str
) -> None:
    assert words in installed.fails("events", "export", *args)


@pytest.mark.parametrize(
    "args",
    [("--since", "0001-01-01"), ("--since", "1d", "--until", "9999-12-31"), ("--after", "9" * 18)],
    ids=" ".join,
)
def test_however_far_away_a_time_is(installed: Installation, args: tuple[str, ...]) -> None:
    assert export(installed, *args) == []


@pytest.mark.files_only("is about a row that was damaged")
def test_a_damaged_payload_is_told_and_the_others_come(installed: Installation) -> None:
    ids = [installed.emit() for _ in range(2)]
    open_database(f"sqlite:///{installed.folder / 'aurapos-webhooks.db'}")
    with transaction():
        Event.update(payload=b"\xff{").where(Event.id == ids[0]).execute()
    close_database()
    damaged, whole = export(installed, "--since", "1h")
    assert (damaged["payload"], damaged["corrupt"]) == (None, True)
    assert whole["payload"] == {"total_tvac": 55.1}
