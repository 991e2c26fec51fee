"""The command line says what an answer means, and what must be known of an address beforehand."""

from tests.support.installation import Installation
from tests.support.scripted import answer, receiving


def test_what_must_be_known_of_an_address_is_said_when_it_is_registered(
    installed: Installation,
) -> None:
    discord = "https://discord.com/api/webhooks/1/x"
    created = installed.ok("webhook", "create", discord, "--all-events")
    assert created.splitlines()[-1].startswith("Put /slack behind Discord's URL")
    slack = "https://hooks.slack.com/services/T0/B0/x"
    assert "choose the format chat" in installed.ok("webhook", "create", slack, "--all-events")
    told = installed.ok("webhook", "create", slack, "--all-events", "--format", "chat")
    assert "choose the format chat" not in told
    other = installed.ok("webhook", "create", "https://example.com/slack", "--all-events")
    assert "/slack behind" not in other


def test_a_delivery_is_shown_with_what_its_failure_means(installed: Installation) -> None:
    with receiving(answer(503)) as receiver:
        installed.ok("webhook", "create", receiver.url, "--all-events")
        installed.ok("webhook", "test", "1")
        installed.ok("tick")
        [row] = installed.deliveries()
    shown = installed.ok("delivery", "show", row["delivery_id"])
    assert "The server failed with 503. Look into its log at that time." in shown
