"""After kills, an outage and a deletion an export and the receivers' own notes agree."""

import json
from itertools import cycle, islice
from typing import Any

from tests.support.dying_worker import COMMAND
from tests.support.installation import Installation
from tests.support.scripted import Scripted, answer, receiving
from tests.support.waiting import wait_until

A_WEEK = ("--since", "8d")


def export(installed: Installation, *args: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in installed.ok("events", "export", *args).splitlines()]


def numbers(rows: list[dict[str, Any]]) -> list[int]:
    return [row["payload"]["id"] for row in rows]


def booked(receiver: Scripted) -> set[int]:
    """What this receiver has accepted, each once however often it came."""
    taken = [json.loads(each.body) for each in receiver.requests if each.status == 200]
    return {body["payload"]["id"] for body in taken}


def is_settled(installed: Installation, webhook_id: int) -> bool:
    rows = installed.json("delivery", "list", "--webhook", str(webhook_id), "--limit", "1000")
    return len(rows) == 60 and {row["status"] for row in rows} <= {"delivered", "abandoned"}


def test_an_export_and_the_receivers_ledgers_agree(installed: Installation) -> None:
    unsteady = list(islice(cycle([answer(200), answer(503), answer(503)]), 90))
    with (
        receiving(*unsteady, answer(500)) as books,  # it ends in an outage
        receiving(answer(200)) as shop,
        receiving(answer(200)) as gone,
    ):
        for receiver in (books, shop, gone):
            installed.add_webhook(receiver.url)
        installed.push(20)
        command = [*COMMAND, str(installed.config)]  # its leases are short
        with installed.worker(command=command) as worker:
            wait_until(lambda: len(books.requests) > 5)
            worker.process.kill()
        installed.push(20, first=20)
        installed.delete_webhook(3)
        with installed.worker(command=command) as worker:
            wait_until(lambda: len(books.requests) > 40)
            worker.process.kill()
        first_part = export(installed, *A_WEEK)
        installed.push(20, first=40)
        with installed.worker(command=command) as worker:
            wait_until(lambda: is_settled(installed, 1) and is_settled(installed, 2), 120)
            assert worker.stop() == 0
    whole = export(installed, *A_WEEK)
    assert numbers(whole) == list(range(60))
    assert first_part + export(installed, "--after", first_part[-1]["cursor"]) == whole
    missed = export(installed, *A_WEEK, "--undelivered", "1")
    assert missed, "there was an outage"
    assert {row["status"] for row in missed} == {"abandoned"}
    assert booked(books) | set(numbers(missed)) == set(range(60))
    assert booked(shop) == set(range(60))
    assert export(installed, *A_WEEK, "--undelivered", "2") == []
    assert booked(gone) <= set(range(60))
    assert "no webhook 3" in installed.fails("events", "export", *A_WEEK, "--undelivered", "3")
