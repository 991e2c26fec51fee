"""`mail`, and what `doctor` and `status` say of it, through the real command."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.installation import FAST, Installation
from tests.support.mailbox import PASSWORD, SENDER, Mailbox, receiving_mail

MARIE = "marie@example.com"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with receiving_mail() as running:
        yield running


@pytest.fixture
def mailing(
    install: Callable[[str], Installation], mailbox: Mailbox, tmp_path: Path
) -> Installation:
    """With a server that takes mail."""
    return install(FAST.replace('["0.2s"]', '["5m"]') + mailbox.toml(tmp_path))


def checked(installation: Installation) -> list[tuple[str, str]]:
    """What `doctor` finds about mail."""
    rows: Any = json.loads(installation.run("doctor", "--json").stdout)
    return [(row["verdict"], row["told"]) for row in rows if row["check"] == "mail"]


def test_an_address_is_given_confirmed_shown_and_removed(
    mailing: Installation, mailbox: Mailbox
) -> None:
    asked = mailing.json("mail", "add", f" {MARIE}", "--as", "marie", "--language", "fr")
    assert asked == {
        "business_id": 1,
        "address": None,
        "waits_for_code": MARIE,
        "language": "fr",
    }
    mailing.ok("tick")
    assert "Votre code" in mailbox.texts[0]
    wrong = f"{(int(mailbox.code()) + 1) % 10**6:06}"
    assert "not the code" in mailing.fails("mail", "confirm", wrong, "--as", "marie")
    mailing.ok("mail", "confirm", mailbox.code(), "--as", "marie")
    assert mailing.json("mail", "show", "--as", "marie")["address"] == MARIE
    assert MARIE in mailing.ok("mail", "show", "--as", "marie")
    assert "No alerts" in mailing.ok("mail", "show"), "the operator has none"
    mailing.ok("mail", "remove", "--as", "marie")
    assert mailing.json("mail", "show", "--as", "marie")["address"] is None
    assert "No mail address" in mailing.fails("mail", "remove", "--as", "marie")


@pytest.mark.files_only("the same sentences")
def test_mistakes_are_told(mailing: Installation) -> None:
    assert "marie@example.com" in mailing.fails("mail", "add", "marie")
    assert "waits for a code" in mailing.fails("mail", "confirm", "123456")


@pytest.mark.files_only("it is about the configuration")
def test_without_a_server_no_address_is_taken(installed: Installation) -> None:
    assert "[mail] smtp" in installed.fails("mail", "add", MARIE)
    assert checked(installed) == []


@pytest.mark.files_only("it is about the configuration")
@pytest.mark.parametrize(
    ("section", "words"),
    [
        ('smtp = "smtp://smtp.example.com"', "mail.sender must be given"),
        ('sender = "nobody"', "mail.sender must be a mail address"),
        ('smtp = "smtp.example.com:587"', '"smtp://user:password@host:587"'),
        ('smtp = "smtp://aurapos:p@ss@smtp.example.com"', "percent-encoded"),
        ('smtp = "smtp://aurapos:p%zz@smtp.example.com"', "percent-encoded"),
        ('smtp = "smtp://smtp.example.com:99999"', '"smtp://user:password@host:587"'),
    ],
)
def test_half_a_configuration_is_refused(installed: Installation, section: str, words: str) -> None:
    installed.config.write_text(f"{installed.config.read_text()}\n[mail]\n{section}\n")
    assert words in installed.fails("status")


def test_doctor_logs_in_and_status_tells_what_failed(
    mailing: Installation, mailbox: Mailbox
) -> None:
    assert checked(mailing) == [
        ("ok", f"127.0.0.1:{mailbox.port} takes it, from {SENDER}"),
    ]
    mailbox.refusals = ["550 no such user"]
    mailing.ok("mail", "add", MARIE)
    mailing.ok("tick")
    told = "1 wait, 1 of which have failed; the latest: the mail server"
    assert told in mailing.ok("status")
    [_, (verdict, sentence)] = checked(mailing)
    assert verdict == "warning"
    assert "it refused the address (550)" in sentence
    assert "no such user" not in sentence
    assert mailing.json("status")["mail"]["failed"] == 1
    assert "aurapos_webhooks_mail_waiting 1" in mailing.ok("status", "--prometheus")


@pytest.mark.files_only("it is about the configuration")
def test_doctor_says_what_is_wrong_with_the_server(mailing: Installation) -> None:
    config = mailing.config.read_text()
    mailing.config.write_text(config.replace(quote(PASSWORD), "wrong"))
    [(verdict, told)] = checked(mailing)
    assert (verdict, "it refused the login (535)" in told) == ("BAD", True)
    assert "wrong" not in told


@pytest.mark.files_only("it is about the configuration")
def test_mail_that_waits_for_a_server_is_told(mailing: Installation) -> None:
    mailing.ok("mail", "add", MARIE)
    mailing.config.write_text(mailing.config.read_text().partition("[mail]")[0])
    mailing.ok("tick")
    [(verdict, told)] = checked(mailing)
    assert (verdict, told.startswith("1 mails wait and [mail] smtp is empty")) == ("warning", True)
