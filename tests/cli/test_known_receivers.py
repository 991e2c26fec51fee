"""The command line says what an answer means, and what must be known of an address beforehand."""

import shlex

import pytest

from core.storage.database import transaction
from core.storage.models import Attempt, Webhook
from tests.support.installation import Installation
from tests.support.scripted import answer, receiving

SLACK = "https://hooks.slack.com/services/T0/B0/x"
DISCORD = "https://discord.com/api/webhooks/1/x"


def test_what_must_be_known_of_an_address_is_said_when_it_is_registered(
    installed: Installation,
) -> None:
    created = installed.ok("webhook", "create", DISCORD, "--all-events")
    told = "Put /slack behind Discord's URL, and choose the format chat."
    edit = f"webhook edit 1 --url {DISCORD}/slack --format chat"
    assert created.endswith(f"{told}\nIt is told in chat lines after `aurapos-webhooks {edit}`.\n")
    assert "choose the format chat" in installed.ok("webhook", "create", SLACK, "--all-events")
    told = installed.ok("webhook", "create", SLACK, "--all-events", "--format", "chat")
    assert "choose the format chat" not in told
    other = installed.ok("webhook", "create", "https://example.com/slack", "--all-events")
    assert "/slack behind" not in other


@pytest.mark.parametrize(
    ("url", "edit"),
    [
        (SLACK, "webhook edit 1 --format chat"),
        (DISCORD, f"webhook edit 1 --url {DISCORD}/slack --format chat"),
    ],
)
def test_the_command_that_has_a_chat_told_in_chat_lines_is_said_until_it_was_run(
    installed: Installation, url: str, edit: str
) -> None:
    told = f"It is told in chat lines after `aurapos-webhooks {edit}`."
    with receiving(answer(400)) as receiver:
        installed.add_webhook(receiver.url)
        installed.ok("webhook", "test", "1")
        installed.ok("tick")
    with installed.tables(), transaction():
        Webhook.update(url=url).execute()
        Attempt.update(response="invalid_payload").execute()
    [row] = installed.deliveries()
    shown = installed.ok("delivery", "show", row["delivery_id"])
    assert "choose the format chat." in shown
    assert told in shown.splitlines()
    assert told in installed.ok("webhook", "edit", "1", "--name", "Counter").splitlines()
    installed.ok(*shlex.split(edit))
    shown = installed.ok("delivery", "show", row["delivery_id"])
    assert "chat lines" not in shown
    assert "the format chat" not in shown


def test_a_delivery_is_shown_with_what_its_failure_means(installed: Installation) -> None:
    with receiving(answer(503)) as receiver:
        installed.ok("webhook", "create", receiver.url, "--all-events")
        installed.ok("webhook", "test", "1")
        installed.ok("tick")
        [row] = installed.deliveries()
    shown = installed.ok("delivery", "show", row["delivery_id"])
    assert "The server failed with 503. Look into its log at that time." in shown
