"""Workers that die between an edge and the message that tells of it: on both engines."""

import json
import signal
from typing import Any

import pytest

from core.domain.signing import Secret
from core.pipeline.steps import OF_ALERTS, Step
from tests.support import dying_worker
from tests.support.installation import Installation
from tests.support.notes import notes
from tests.support.scripted import Scripted, answer, receiving
from tests.support.waiting import PATIENCE, wait_until


def alerts(receiver: Scripted) -> list[Any]:
    bodies = [json.loads(each.body) for each in receiver.requests]
    return [body["payload"] for body in bodies if body["event"] == "alert"]


def hear(installation: Installation, url: str) -> None:
    """A webhook that is told about the others, and of nothing else."""
    create = ("webhook", "create", url, "--event", "promotion.created", "--alerts", "on")
    made = installation.json(*create)
    notes().secrets[made["id"]].append(Secret(made["secret"]))


@pytest.mark.fault(63, "kill -9 between an edge and its message, whose own address fails too")
@pytest.mark.parametrize("step", sorted(OF_ALERTS), ids=lambda step: step.name.lower())
def test_an_edge_is_told_once_whenever_its_worker_dies_and_a_failing_alert_tells_of_nothing(
    installation: Installation, step: Step
) -> None:
    failing = [answer(500)] * 5
    with receiving(*failing, answer(200)) as shop, receiving(answer(500), answer(200)) as chat:
        installation.add_webhook(shop.url)
        hear(installation, chat.url)
        installation.emit()
        dying = [*dying_worker.COMMAND, str(installation.config), step, "1"]
        with installation.worker(command=dying) as first:
            assert first.process.wait(PATIENCE) == -signal.SIGKILL, "".join(first.log)
        assert alerts(chat) == []
        with installation.worker() as second:
            wait_until(lambda: len(alerts(chat)) == 2, PATIENCE)
            installation.emit()
            wait_until(lambda: len(alerts(chat)) == 3, PATIENCE)
            assert second.stop() == 0
    told = alerts(chat)
    assert [each["kind"] for each in told] == ["failing", "failing", "back"]
    assert told[0] == told[1], "the same delivery, tried again"
    assert {each["webhook"]["id"] for each in told} == {1}
    [back, failed] = installation.deliveries(2)
    assert (back["status"], back["attempts"]) == ("delivered", 1)
    assert (failed["status"], failed["attempts"]) == ("delivered", 2)
