"""What well-known receivers answer, and what an owner can do about it. Pure data.

A receiver is known by its host alone: `hooks.slack.com.example.org` belongs to somebody else, and
so does a host with Slack in its path. `docs/known-receivers.md` has the same table for people.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.domain.choices import Format
from core.domain.language import N_, Say

_ANY = range(100, 600)
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that a receiver is known to give, and in a sentence or two what to do about it."""

    statuses: Collection[int]
    body: str  # what its body contains; empty where any body will do
    advice: str
    wants_chat: bool = False  # whether the mending is to send it chat lines
    source: str = ""  # where it is documented, if not with the receiver's others


@dataclass(frozen=True, slots=True)
class KnownReceiver:
    name: str
    hosts: str  # a regular expression that the whole host must match
    paths: str  # one that the beginning of the path must match
    source: str  # where its answers are documented, but for those that say where
    answers: tuple[Answer, ...]  # the first one that fits counts
    takes_chat: bool = False  # whether it takes the format `chat` and nothing else
    chat_behind: str = ""  # what its URL must end with so that it takes chat lines
    before: str = ""  # what an owner should know before anything is sent there

    def how_to_chat(self, fmt: Format, say: Say = N_) -> str:
        """What to do so that it is sent chat lines; empty where it is."""
        if not self.chat_behind:
            return say(_CHOOSE_CHAT) if fmt is Format.JSON else ""
        told = say(_PUT_AND_CHOOSE_CHAT if fmt is Format.JSON else _PUT)
        return told.format(end=self.chat_behind, name=self.name)

    def answered(self, fmt: Format, http_status: int | None, response: str) -> Answer | None:
        """The first answer that fits; where chat lines are sent, none that asks for them."""
        for answer in self.answers:
            is_it = http_status in answer.statuses and answer.body in response
            if is_it and (not answer.wants_chat or self.how_to_chat(fmt)):
                return answer
        return None

    def source_of(self, answer: Answer) -> str:
        """Where that answer is documented."""
        return answer.source or self.source

    def told_of(self, answer: Answer, fmt: Format, say: Say = N_) -> str:
        """What this answer means to a webhook of that format, and what to do about it."""
        advice = say(answer.advice).format(name=self.name)
        return f"{advice} {self.how_to_chat(fmt, say)}" if answer.wants_chat else advice


_CHOOSE_CHAT = N_("Edit the webhook and choose the format chat.")
_PUT = N_("Put {end} behind {name}'s URL.")
_PUT_AND_CHOOSE_CHAT = N_("Put {end} behind {name}'s URL, and choose the format chat.")
_TAKES_CHAT = N_("{name} takes nothing but a line of text: choose the format chat.")
_TAKES_NO_EVENTS = N_(
    "{name} takes no events by itself. Point the webhook at a small program of yours that calls "
    "{name} with your key: docs/receivers has one to copy."
)
_N8N_TEST_URL = N_(
    "This is n8n's address for tests, which works for one call at a time. Use the production URL."
)
_GOOGLE_S_ERRORS = "https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto"
_DISCORD_S_ERRORS = "https://docs.discord.com/developers/topics/opcodes-and-status-codes"
_UNKNOWN_TO_DISCORD = Answer(
    {401, 404},
    "",
    N_(
        "Discord does not know this address. Copy it anew from the channel's settings, and put "
        "/slack behind it."
    ),
    source=_DISCORD_S_ERRORS,
)
_TOO_OFTEN_FOR_DISCORD = Answer(
    {429},
    "",
    N_("Discord is asked too often, and tells nobody how often it may be. Set the pace to 20/min."),
    source="https://docs.discord.com/developers/topics/rate-limits",
)

KNOWN_RECEIVERS = (
    KnownReceiver(
        name="Slack",
        hosts=r"hooks\.slack(-gov)?\.com",
        paths="/services/",
        source="https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks",
        takes_chat=True,
        answers=(
            Answer({400}, "no_text", N_("Slack found no text in it."), wants_chat=True),
            Answer(
                {400},
                "missing_text_or_fallback_or_attachments",
                N_("Slack found no text in it."),
                wants_chat=True,
                source="https://github.com/slackapi/slack-github-action/issues/117",
            ),
            Answer({400}, "invalid_payload", N_("Slack did not understand it."), wants_chat=True),
            Answer(
                {403},
                "action_prohibited",
                N_(
                    "Your Slack workspace does not let this webhook post. Ask whoever administers"
                    " it."
                ),
            ),
            Answer(
                {403, 404},
                "invalid_token",
                N_("Slack does not know this address. Copy it anew from your Slack app."),
            ),
            Answer(
                {403, 404, 410},
                "no_",  # no_service, no_active_hooks, no_team
                N_("Slack has switched this address off. Make a new one in your Slack app."),
            ),
            Answer(
                {404, 410},
                "channel_",  # channel_not_found, channel_is_archived
                N_(
                    "The Slack channel is gone or archived. Make a new address for another channel."
                ),
            ),
            Answer(
                {429},
                "",
                N_("Slack takes one message a second. Set the pace to 1/s."),
                source="https://docs.slack.dev/apis/web-api/rate-limits",
            ),
        ),
    ),
    KnownReceiver(
        name="Google Chat",
        hosts=r"chat\.googleapis\.com",
        paths="/v1/spaces/",
        source="https://developers.google.com/workspace/chat/quickstart/webhooks",
        takes_chat=True,
        answers=(
            Answer(
                {400},
                "",
                N_("Google Chat did not understand it."),
                wants_chat=True,
                source=_GOOGLE_S_ERRORS,
            ),
            Answer(
                {401, 403, 404},
                "",
                N_(
                    "Google Chat takes nothing at this address. Copy it anew from the space's "
                    "settings, with its key and token."
                ),
                source=_GOOGLE_S_ERRORS,
            ),
            Answer({429}, "", N_("A space takes one message a second. Set the pace to 1/s.")),
        ),
    ),
    KnownReceiver(
        name="Discord (/slack)",
        hosts=r"((ptb|canary)\.)?discord(app)?\.com",
        paths=r"/api/(v\d+/)?webhooks/\d+/[^/]+/slack/?$",
        source="https://docs.discord.com/developers/resources/webhook",
        takes_chat=True,
        answers=(
            Answer(
                {400},
                "",
                N_("Discord did not understand it."),
                wants_chat=True,
                source=_DISCORD_S_ERRORS,
            ),
            _UNKNOWN_TO_DISCORD,
            _TOO_OFTEN_FOR_DISCORD,
        ),
    ),
    KnownReceiver(
        name="Discord",
        hosts=r"((ptb|canary)\.)?discord(app)?\.com",
        paths=r"/api/(v\d+/)?webhooks/",
        source="https://docs.discord.com/developers/resources/webhook",
        chat_behind="/slack",
        answers=(
            Answer(
                {400},
                "50006",
                N_("Discord found no text in it."),
                wants_chat=True,
                source="https://github.com/discord/discord-api-docs/issues/5424",
            ),
            Answer(
                {400},
                "",
                N_("Discord did not understand it."),
                wants_chat=True,
                source=_DISCORD_S_ERRORS,
            ),
            _UNKNOWN_TO_DISCORD,
            _TOO_OFTEN_FOR_DISCORD,
        ),
    ),
    KnownReceiver(
        name="Zapier",
        hosts=r"hooks\.zapier\.com",
        paths="/hooks/",
        source="https://help.zapier.com/hc/en-us/articles/8496288690317",
        answers=(
            Answer(
                _SUCCESS,
                "",
                N_(
                    "Zapier answers success whether or not a Zap is on: look into the Zap's "
                    "history. It learns the fields from what comes first, so send it a sample."
                ),
            ),
            Answer(
                {429},
                "",
                N_("Zapier is asked too often. Set a pace."),
                source="https://help.zapier.com/hc/en-us/articles/29972220283789",
            ),
        ),
    ),
    KnownReceiver(
        name="Make",
        hosts=r"hook\.[a-z]+\d+\.make\.(com|celonis\.com)|hook\.integromat\.com",
        paths="/",
        source="https://help.make.com/webhooks",
        answers=(
            Answer(
                _SUCCESS,
                "Accepted",
                N_("Make has queued it for the scenario, which has to be on to work on it."),
            ),
            Answer(
                {400},
                "Queue is full",
                N_(
                    "The queue of this webhook at Make is full. Switch its scenario on, or empty "
                    "it."
                ),
            ),
            Answer(
                {410},
                "",
                N_(
                    "No scenario at Make has used this address for five days, so it was switched "
                    "off. Add it to one, and switch that on."
                ),
            ),
            Answer({429}, "", N_("Make takes 300 requests in 10 seconds. Set the pace to 20/s.")),
        ),
    ),
    KnownReceiver(
        name="Pipedream",
        hosts=r"[a-z0-9-]+\.m\.pipedream\.net",
        paths="/",
        source="https://pipedream.com/docs/workflows/building-workflows/triggers",
        answers=(
            Answer(
                _SUCCESS,
                "",
                N_("Pipedream answers before the workflow runs: look into its event history."),
            ),
            Answer(
                {429},
                "",
                N_("Pipedream is asked too often. Set a pace."),
                source="https://pipedream.com/docs/workflows/limits",
            ),
        ),
    ),
    KnownReceiver(
        name="n8n, while it is edited",
        hosts=".+",  # most people run it on a server of their own
        paths="/webhook-test/",
        source="https://docs.n8n.io/integrations/builtin/core-nodes/n8n-nodes-base.webhook/",
        answers=(
            Answer({404}, "is not registered", _N8N_TEST_URL),
            Answer(_SUCCESS, "Workflow was started", _N8N_TEST_URL),
        ),
    ),
    KnownReceiver(
        name="n8n",
        hosts=".+",
        paths="/webhook/",
        source="https://docs.n8n.io/integrations/builtin/core-nodes/n8n-nodes-base.webhook/",
        answers=(
            Answer(
                {404},
                "is not registered for",
                N_("n8n expects another method at this address. Set the Webhook node to POST."),
            ),
            Answer(
                {404},
                "is not registered",
                N_(
                    "No active n8n workflow has this address. Publish the workflow, or mend the "
                    "URL."
                ),
            ),
            Answer(
                {403},
                "Authorization data is wrong",
                N_(
                    "n8n wants a header of its own. Add the name and value that its Webhook node "
                    "asks for to the webhook's own headers."
                ),
            ),
        ),
    ),
    KnownReceiver(
        name="Mattermost",
        hosts=".+",  # the same as above
        paths="/hooks/",
        source="https://developers.mattermost.com/integrate/webhooks/incoming/",
        answers=(
            Answer(
                {400}, "No text specified", N_("Mattermost found no text in it."), wants_chat=True
            ),
        ),
    ),
    KnownReceiver(
        name="Brevo",
        hosts=r"api\.(brevo|sendinblue)\.com",
        paths="/",
        source="https://developers.brevo.com/docs/how-it-works",
        before=_TAKES_NO_EVENTS,
        answers=(Answer(_ANY, "", _TAKES_NO_EVENTS),),
    ),
    KnownReceiver(
        name="Mailchimp",
        hosts=r"[a-z]{2}\d+\.api\.mailchimp\.com",
        paths="/",
        source="https://mailchimp.com/developer/marketing/docs/errors/",
        before=_TAKES_NO_EVENTS,
        answers=(Answer(_ANY, "", _TAKES_NO_EVENTS),),
    ),
    KnownReceiver(
        name="Shopify",
        hosts=r"[a-z0-9][a-z0-9-]*\.myshopify\.com",
        paths="/",
        source="https://shopify.dev/docs/api/usage/response-codes",
        before=_TAKES_NO_EVENTS,
        answers=(Answer(_ANY, "", _TAKES_NO_EVENTS),),
    ),
)


def known_receiver(url: str) -> KnownReceiver | None:
    """The receiver whose address this is; None where it is none of the known ones."""
    try:
        parts = urlsplit(url)
        is_usual = parts.scheme == "https" and parts.port in {None, 443}
    except ValueError:
        return None
    for receiver in KNOWN_RECEIVERS if is_usual else ():
        is_host = re.fullmatch(receiver.hosts, parts.hostname or "")
        if is_host and re.match(receiver.paths, parts.path or "/"):
            return receiver
    return None


def advice_before(url: str, fmt: Format, say: Say = N_) -> str:
    """What an owner should know about this address before anything is sent there in that format;
    empty where nothing is known.
    """
    receiver = known_receiver(url)
    if receiver is None:
        return ""
    if receiver.takes_chat and fmt is Format.JSON:
        return say(_TAKES_CHAT).format(name=receiver.name)
    if receiver.chat_behind:
        return receiver.how_to_chat(fmt, say)
    return say(receiver.before).format(name=receiver.name)


def advice(url: str, fmt: Format, http_status: int | None, response: str, say: Say = N_) -> str:
    """What this answer from that receiver means to a webhook of that format, and what to do about
    it; empty where nothing is known.
    """
    receiver = known_receiver(url)
    answer = receiver.answered(fmt, http_status, response) if receiver is not None else None
    if receiver is None or answer is None:
        return ""
    return receiver.told_of(answer, fmt, say)


def chat_address(
    url: str, fmt: Format, http_status: int | None = None, response: str = ""
) -> str | None:
    """Where chat lines should go, in place of what is sent to this address in that format now. It
    is known beforehand, or by what the receiver answered. None where that would mend nothing.
    """
    receiver = known_receiver(url)
    if receiver is None or not receiver.how_to_chat(fmt):
        return None
    if receiver.chat_behind:
        parts = urlsplit(url)
        return parts._replace(path=parts.path.rstrip("/") + receiver.chat_behind).geturl()
    answer = receiver.answered(fmt, http_status, response)
    is_wanted = receiver.takes_chat or (answer is not None and answer.wants_chat)
    return url if is_wanted else None
