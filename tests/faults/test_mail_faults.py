"""Workers that die between an edge and the mail that tells of it: on both engines."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from core.pipeline.steps import OF_ALERTS, OF_MAIL, Step
from tests.support import dying_worker
from tests.support.installation import FAST, Installation
from tests.support.mailbox import PASSWORD, Mailbox, receiving_mail
from tests.support.scripted import answer, receiving
from tests.support.waiting import PATIENCE, wait_until

MARIE = "marie@example.com"


def confirm(installation: Installation, mailbox: Mailbox) -> None:
    """An address that counts."""
    installation.ok("mail", "add", MARIE)
    installation.ok("tick")
    installation.ok("mail", "confirm", mailbox.code())
    assert installation.json("mail", "show")["address"] == MARIE
    mailbox.messages.clear()


@pytest.mark.fault(64, "kill -9 between an edge and its mail, which the mail server refuses too")
@pytest.mark.parametrize("step", sorted(OF_ALERTS | OF_MAIL), ids=lambda step: step.name.lower())
def test_an_edge_is_mailed_whenever_its_worker_dies_and_at_most_once_more(
    install: Callable[[str], Installation], tmp_path: Path, step: Step
) -> None:
    failing = [answer(500)] * 5
    with receiving(*failing, answer(200)) as shop, receiving_mail() as mailbox:
        installation = install(FAST + mailbox.toml(tmp_path))
        confirm(installation, mailbox)
        installation.add_webhook(shop.url)
        installation.emit()
        dying = [*dying_worker.COMMAND, str(installation.config), step, "1"]
        with installation.worker(command=dying) as first:
            assert first.process.wait(PATIENCE) == -signal.SIGKILL, "".join(first.log)
        told_by_the_first = len(mailbox.messages)
        assert told_by_the_first == (step is Step.MAILED)
        mailbox.refusals = ["450 4.2.1 later"]
        with installation.worker() as second:
            wait_until(lambda: len(mailbox.messages) > told_by_the_first, PATIENCE)
            installation.emit()
            wait_until(lambda: any("is back" in each for each in mailbox.subjects), PATIENCE)
            assert second.stop() == 0
    *failures, back = mailbox.messages
    assert all("is failing" in each["Subject"] for each in failures)
    assert len({each["Message-ID"] for each in failures}) == 1, "the same one, once more"
    assert len(failures) == 1 + told_by_the_first
    assert "is back" in back["Subject"]
    assert all(mailbox.tls_of)
    for told in (*first.log, *second.log):
        assert PASSWORD not in told
        assert MARIE not in told
    status = installation.json("status")["mail"]
    assert (status["waiting"], status["failed"], status["given_up"]) == (0, 0, 0)
