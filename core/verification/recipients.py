"""Everyone gets what is theirs, and in time; alerts say no more than they may."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from core.domain.alerts import APART
from core.domain.delivery import ErrorKind
from core.domain.events import EventType
from core.verification.evidence import COMMITTING, Evidence
from core.verification.history import Post, Row

PROMPT = timedelta(seconds=60)
"""How soon after its due time a POST to a healthy address must start."""


_SHOWN_OF_A_PATH = 4  # characters at the end of it


def misdirected(evidence: Evidence) -> Iterator[str]:
    history = evidence.history
    for delivery, posts, _ in evidence.known():
        webhook = history.webhooks[delivery.webhook]
        yield from _not_theirs(history.events[delivery.event], webhook, evidence)
        for url in {post.url for post in posts} - history.urls[webhook.id]:
            yield f"delivery {delivery.uuid} of webhook {webhook.id} was sent to {url}"


def _not_theirs(event: Row, webhook: Row, evidence: Evidence) -> Iterator[str]:
    history = evidence.history
    told = f"event {event.id} went to webhook {webhook.id}"
    never_edited = history.selecting_since[webhook.id] == webhook.created_at
    if event.business != webhook.business:
        yield f"{told}, which is another business's"
    elif event.webhook not in {None, webhook.id}:
        yield f"{told}, which did not ask for this ping"
    elif never_edited and not history.selects(webhook, event):
        yield f"{told}, which did not select it"
    elif never_edited and history.keeps_back(webhook, event):
        yield f"{told}, whose conditions keep it back"
    if event.key in evidence.older.get(webhook.id, ()):  # two clocks could not tell
        yield f"{told}, which is younger"


def unheard_of(evidence: Evidence) -> Iterator[str]:
    standing = {row.url for row in evidence.history.webhooks.values() if row.deleted_at is None}
    for post in evidence.unknown():
        if post.url in standing:
            yield f"{post.url} got delivery {post.delivery}, which is not in the tables"


def late(evidence: Evidence) -> Iterator[str]:
    history = evidence.history
    for delivery, posts, log in evidence.known():
        webhook = history.webhooks[delivery.webhook]
        was_paused = webhook.id in history.pauses
        if webhook.url not in evidence.healthy or history.restarts(delivery) or was_paused:
            continue
        for due, started in _due_and_started(history.events[delivery.event], posts, log, evidence):
            if started - due > PROMPT + evidence.set_back:
                late = (started - due).total_seconds()
                yield f"delivery {delivery.uuid} was sent {late:.1f} s after it was due"


def _due_and_started(
    event: Row, posts: Sequence[Post], log: Sequence[Row], evidence: Evidence
) -> Iterator[tuple[datetime, datetime]]:
    """When the first POST was due and started, and each attempt whose predecessor ended with an
    outcome.
    """
    if posts and not (log and log[0].error == ErrorKind.INTERRUPTED):
        yield event.created_at, min(post.at for post in posts)
    for before, row in pairwise(log):
        wait = evidence.schedule.wait_after(before.number)
        if before.error != ErrorKind.INTERRUPTED and wait is not None:
            ended = before.started_at + timedelta(microseconds=before.duration_us)
            yield ended + wait, row.started_at


def told_wrongly(evidence: Evidence) -> Iterator[str]:
    webhooks = evidence.history.webhooks
    for event, payload in _alerts(evidence):
        about = webhooks[payload["webhook"]["id"]]
        if about.id == event.webhook:
            yield f"webhook {about.id} was told of itself"
        if about.business != event.business:
            yield f"webhook {event.webhook} was told of webhook {about.id}, another business's"
        path = urlsplit(about.url).path.rstrip("/")
        if len(path) > _SHOWN_OF_A_PATH and path in payload["text"]:
            yield f"webhook {event.webhook} was told the path of webhook {about.id}"


def told_too_often(evidence: Evidence) -> Iterator[str]:
    told = defaultdict(list)
    for event, payload in _alerts(evidence):
        told[payload["webhook"]["id"], payload["kind"], event.webhook].append(event.created_at)
    shortest = APART - COMMITTING - evidence.set_back
    for (about, kind, hearer), times in told.items():
        if any(later - sooner < shortest for sooner, later in pairwise(times)):
            yield f"webhook {hearer} was told twice in an hour that webhook {about} is {kind}"


def _alerts(evidence: Evidence) -> Iterator[tuple[Row, Any]]:
    for event in evidence.history.events.values():
        if event.type == EventType.ALERT:
            yield event, json.loads(bytes(event.payload))
