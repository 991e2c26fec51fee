"""Well-known receivers are known by their own hosts, and what they answer is explained."""

import re
from pathlib import Path

import pytest

from core.domain.choices import Format
from core.domain.pace import check_pace
from core.domain.receivers import (
    KNOWN_RECEIVERS,
    Answer,
    advice,
    advice_before,
    chat_address,
    known_receiver,
)

SLACK = "https://hooks.slack.com/services/T0/B0/x"
GOOGLE = "https://chat.googleapis.com/v1/spaces/AA/messages?key=k&token=t"
DISCORD = "https://discord.com/api/webhooks/1/x"
ZAPIER = "https://hooks.zapier.com/hooks/catch/1/a/"
MAKE = "https://hook.eu1.make.com/abc"
PIPEDREAM = "https://eo1.m.pipedream.net"
N8N = "https://n8n.example.com/webhook/abc"
N8N_TEST = "https://marie.app.n8n.cloud/webhook-test/abc"
MATTERMOST = "https://chat.example.com/hooks/abc"
BREVO = "https://api.brevo.com/v3/contacts"
MAILCHIMP = "https://us21.api.mailchimp.com/3.0/lists/a/members"
SHOPIFY = "https://chez-marie.myshopify.com/admin/api/2026-01/products.json"
DOCUMENT = Path(__file__).parents[3] / "docs" / "known-receivers.md"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (SLACK, "Slack"),
        ("https://hooks.slack.com:443/services/T0/B0/x", "Slack"),
        (GOOGLE, "Google Chat"),
        (DISCORD, "Discord"),
        (f"{DISCORD}/slack", "Discord (/slack)"),
        (
            "https://discordapp.com/api/v10/webhooks/1/x/slack?wait=true",
            "Discord (/slack)",
        ),
        (ZAPIER, "Zapier"),
        (MAKE, "Make"),
        (PIPEDREAM, "Pipedream"),
        (N8N, "n8n"),
        (N8N_TEST, "n8n, while it is edited"),
        (MATTERMOST, "Mattermost"),
        (BREVO, "Brevo"),
        (MAILCHIMP, "Mailchimp"),
        (SHOPIFY, "Shopify"),
    ],
)
def test_a_receiver_is_known_by_its_host(url: str, name: str) -> None:
    receiver = known_receiver(url)
    assert receiver is not None
    assert receiver.name == name


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com.evil.org/services/T0/B0/x",
        "https://evil.org/hooks.slack.com/services/T0/B0/x",
        "https://evil.org/?https://hooks.slack.com/services/",
        "https://xhooks.slack.com/services/T0/B0/x",
        "https://hooks.slack.community/services/T0/B0/x",
        "https://hooksXslack.com/services/T0/B0/x",
        "https://slack.com/services/T0/B0/x",
        "https://hooks.slack.com.:443/services/T0/B0/x",
        "https://hooks.slack.com:8443/services/T0/B0/x",
        "http://hooks.slack.com/services/T0/B0/x",
        "https://hooks.slack.com/triggers/T0/1/x",  # of a workflow, which takes JSON of any kind
        "https://xn--hooks-slack-.com/services/T0/B0/x",
        "https://discord.com.evil.org/api/webhooks/1/x/slack",
        "https://evil.org/slack",
        "https://notdiscord.com/api/webhooks/1/x/slack",
        "https://chat.googleapis.com.evil.org/v1/spaces/AA/messages",
        "https://make.com/abc",
        "https://api.mailchimp.com.evil.org/3.0/",
        "https://myshopify.com/",
        "https://[",
        "https://hooks.slack.com:x/services/",
        "",
    ],
)
def test_a_host_that_only_looks_alike_is_not_believed(url: str) -> None:
    assert known_receiver(url) is None
    assert advice(url, Format.JSON, 400, "invalid_payload no_text") == ""
    assert advice_before(url, Format.JSON) == ""


@pytest.mark.parametrize(
    ("url", "name"),
    [(SLACK, "Slack"), (GOOGLE, "Google Chat"), (f"{DISCORD}/slack", "Discord (/slack)")],
)
def test_chat_programs_are_to_be_told_in_chat_lines(url: str, name: str) -> None:
    told = f"{name} takes nothing but a line of text: choose the format chat."
    assert advice_before(url, Format.JSON) == told
    assert advice_before(url, Format.CHAT) == ""


@pytest.mark.parametrize("response", ["no_text", "invalid_payload"])
def test_whoever_has_chosen_chat_is_not_told_to_choose_it(response: str) -> None:
    assert "the format chat" in advice(SLACK, Format.JSON, 400, response)
    assert advice(SLACK, Format.CHAT, 400, response) == ""
    assert "switched this address off" in advice(SLACK, Format.CHAT, 404, "no_service")


def test_discord_is_told_where_chat_lines_go_whichever_format_was_chosen() -> None:
    asked = "Discord did not understand it. Put /slack behind Discord's URL"
    assert advice(DISCORD, Format.JSON, 400, "") == f"{asked}, and choose the format chat."
    assert advice(DISCORD, Format.CHAT, 400, "") == f"{asked}."
    assert advice_before(DISCORD, Format.CHAT) == "Put /slack behind Discord's URL."


@pytest.mark.parametrize(
    ("url", "fmt", "answer", "instead"),
    [
        (SLACK, Format.JSON, (), SLACK),
        (SLACK, Format.CHAT, (400, "no_text"), None),
        (f"{DISCORD}/?wait=true", Format.JSON, (), f"{DISCORD}/slack?wait=true"),
        (DISCORD, Format.CHAT, (400, ""), f"{DISCORD}/slack"),
        (f"{DISCORD}/slack", Format.CHAT, (400, ""), None),
        (f"{DISCORD}/slack", Format.JSON, (), f"{DISCORD}/slack"),
        (MATTERMOST, Format.JSON, (), None),
        (MATTERMOST, Format.JSON, (400, "No text specified"), MATTERMOST),
        (MATTERMOST, Format.JSON, (500, ""), None),
        (MAKE, Format.JSON, (200, "Accepted"), None),
        ("https://example.com/", Format.JSON, (400, "no_text"), None),
    ],
)
def test_where_chat_lines_should_go_is_known(
    url: str, fmt: Format, answer: tuple[int, str] | tuple[()], instead: str | None
) -> None:
    assert chat_address(url, fmt, *answer) == instead


@pytest.mark.parametrize(
    ("url", "status", "response", "words"),
    [
        (SLACK, 400, "no_text", "the format chat"),
        (SLACK, 400, "invalid_payload", "the format chat"),
        (SLACK, 404, "no_service", "switched this address off"),
        (SLACK, 410, "channel_is_archived", "archived"),
        (SLACK, 403, "action_prohibited", "administers"),
        (SLACK, 429, "rate_limited", "1/s"),
        (GOOGLE, 400, '{"error":{"code":400,"status":"INVALID_ARGUMENT"}}', "the format chat"),
        (GOOGLE, 403, "", "key and token"),
        (DISCORD, 400, '{"message": "Cannot send an empty message", "code": 50006}', "no text"),
        (DISCORD, 400, '{"message": "Invalid Form Body", "code": 50035}', "/slack"),
        (DISCORD, 401, '{"message": "Invalid Webhook Token", "code": 50027}', "anew"),
        (f"{DISCORD}/slack", 400, '{"message": "Cannot send an empty message"}', "the format chat"),
        (f"{DISCORD}/slack", 404, '{"message": "Unknown Webhook", "code": 10015}', "anew"),
        (ZAPIER, 200, '{"status":"success"}', "whether or not a Zap is on"),
        (MAKE, 200, "Accepted", "which has to be on"),
        (MAKE, 410, "", "No scenario"),
        (MAKE, 429, "Too many requests", "20/s"),
        (MAKE, 400, "Queue is full", "full"),
        (PIPEDREAM, 200, "Success!", "event history"),
        (N8N, 404, 'The requested webhook "POST abc" is not registered.', "Publish"),
        (N8N, 404, "This webhook is not registered for POST requests.", "method"),
        (N8N_TEST, 404, 'The requested webhook "abc" is not registered.', "production URL"),
        (N8N_TEST, 200, '{"message":"Workflow was started"}', "production URL"),
        ("https://m.example.com/hooks/a", 400, '{"message":"No text specified."}', "chat"),
        (BREVO, 401, '{"message":"Key not found","code":"unauthorized"}', "docs/receivers"),
        (MAILCHIMP, 401, '{"title":"API Key Missing"}', "docs/receivers"),
        (SHOPIFY, 401, '{"errors":"[API] Invalid API key"}', "docs/receivers"),
    ],
)
def test_what_they_answer_is_explained(url: str, status: int, response: str, words: str) -> None:
    assert words in advice(url, Format.JSON, status, response)


@pytest.mark.parametrize(
    ("url", "status", "response"),
    [
        (SLACK, 200, "ok"),
        (SLACK, 500, "rollup_error"),
        (SLACK, None, ""),
        (GOOGLE, 200, "{}"),
        (f"{DISCORD}/slack", 200, "ok"),
        (N8N, 200, '{"message":"Workflow was started"}'),
        (N8N, 404, "<h1>Not Found</h1>"),
        (MAKE, 404, ""),
        (ZAPIER, 404, ""),
        (PIPEDREAM, 404, ""),
        ("https://example.com/hook", 400, "no_text"),
    ],
)
def test_where_nothing_is_known_nothing_is_said(url: str, status: int, response: str) -> None:
    assert advice(url, Format.JSON, status, response) == ""


@pytest.mark.parametrize(
    ("url", "words"),
    [(DISCORD, "/slack"), (BREVO, "docs/receivers"), (MAKE, ""), (N8N, ""), (ZAPIER, "")],
)
def test_what_must_be_known_before_is_said_before(url: str, words: str) -> None:
    for fmt in Format:
        assert words in advice_before(url, fmt)
        assert bool(words) == bool(advice_before(url, fmt))


def test_the_document_says_the_same() -> None:
    """Copy what is missing there from here."""
    rows = [
        f"| {receiver.name} | {_written(answer)} | {receiver.told_of(answer, Format.JSON)} "
        f"| [source]({receiver.source_of(answer)}) |"
        for receiver in KNOWN_RECEIVERS
        for answer in receiver.answers
    ]
    document = DOCUMENT.read_text().splitlines()
    assert [line for line in document if line.startswith("| ")][1:] == rows


def _written(answer: Answer) -> str:
    statuses = sorted(answer.statuses)
    told = {100: "any", 200: "2xx"}.get(statuses[0]) or ", ".join(map(str, statuses))
    if len(statuses) == 1:
        told = str(statuses[0])
    return f"{told} `{answer.body}`" if answer.body else told


def test_a_pace_that_is_advised_can_be_chosen() -> None:
    advised = [answer.advice for receiver in KNOWN_RECEIVERS for answer in receiver.answers]
    paces = re.findall(r"the pace to (\S+)\.", " ".join(advised))
    assert paces
    assert [check_pace(pace) for pace in paces] == paces
