"""Mail from the row to a real server: on both engines."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from core.domain.delivery import Schedule
from core.errors import BadKeyFile
from core.storage.awaited import awaited
from core.storage.models import Mail
from core.storage.vault import Vault
from core.use_cases.installation_health import mail_vitals
from core.use_cases.mail import confirm_address
from tasks.postman import Postman
from tests.support.addresses import add_address, ask
from tests.support.mailbox import Mailbox, receiving_mail
from tests.support.scene import MARIE, MINUTE, NOON, OPERATOR, SCHEDULE, SECOND

ONCE = Schedule((), 1)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with receiving_mail() as running:
        yield running


class Posting:
    """A postman at a time of the test's own."""

    def __init__(self, mailbox: Mailbox, folder: Path, vault: Vault) -> None:
        self.now = NOON
        self.vault = vault
        self._server = mailbox.server(folder)

    def go(self, **given: Any) -> float | None:
        known: dict[str, Any] = {"server": self._server, "open_vault": lambda: self.vault}
        known |= {"schedule": SCHEDULE, "clock": self._clock}
        return Postman(**{**known, **given}).go()

    def _clock(self) -> datetime:
        return self.now


@pytest.fixture
def posting(mailbox: Mailbox, tmp_path: Path, vault: Vault) -> Posting:
    return Posting(mailbox, tmp_path, vault)


def test_a_code_that_arrives_is_the_one_that_is_asked_for(
    business: int, vault: Vault, mailbox: Mailbox, posting: Posting
) -> None:
    ask(business)
    assert posting.go() is None
    assert mailbox.recipients == [["marie@example.com"]]
    assert confirm_address(MARIE, business, mailbox.code(), NOON, vault=vault)


def test_what_is_refused_is_tried_again_when_it_is_due(
    business: int, mailbox: Mailbox, posting: Posting
) -> None:
    mailbox.refusals = ["450 later", "450 later"]
    ask(business)
    assert posting.go() == 60
    assert "refused the address (450)" in mail_vitals(NOON).why
    posting.now += MINUTE - SECOND
    assert posting.go() == 1
    posting.now += SECOND
    assert posting.go() == 300
    posting.now += 5 * MINUTE
    assert posting.go() is None
    assert len(mailbox.messages) == 1
    assert mailbox.messages[0]["Date"].datetime == NOON


def test_one_that_is_refused_holds_up_no_other(
    business: int, mailbox: Mailbox, posting: Posting
) -> None:
    mailbox.refusals = ["550 no"]
    ask(business)
    ask(business, "shop@example.com", OPERATOR)
    posting.go(schedule=ONCE)
    assert mailbox.recipients == [["shop@example.com"]]
    assert mail_vitals(NOON).given_up == 1


def test_without_a_key_a_code_waits(business: int, mailbox: Mailbox, posting: Posting) -> None:
    def locked() -> Vault:
        raise BadKeyFile("The key file is missing.")

    ask(business)
    assert posting.go(open_vault=locked) == 60
    assert mail_vitals(NOON).why == "The key file is missing."
    assert mailbox.messages == []


def test_without_a_server_nothing_is_claimed(business: int, vault: Vault, posting: Posting) -> None:
    add_address(vault, business)
    ask(business, "shop@example.com")
    assert posting.go(server=None) is None
    assert awaited().mail_at == NOON
    assert Mail.select().where(~Mail.lease.is_null()).count() == 0


def test_a_postman_that_is_stopped_claims_nothing(
    business: int, mailbox: Mailbox, tmp_path: Path, vault: Vault
) -> None:
    ask(business)
    postman = Postman(mailbox.server(tmp_path), lambda: vault, SCHEDULE, lambda: NOON)
    postman.go(lambda: True)
    assert mailbox.messages == []
    assert awaited().mail_at == NOON
