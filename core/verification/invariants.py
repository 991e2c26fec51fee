"""What must be true after any run, whatever went wrong during it, by the tables and by receivers.

`check` says what is not, in plain sentences; it is told what only who ran it can know: what was
published, the secrets, where else to look for them.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from core.domain.alerts import APART
from core.domain.delivery import (
    BESIDE,
    INTERRUPTIONS_LIMIT,
    WAITING,
    ErrorKind,
    Schedule,
    Status,
    is_success,
)
from core.domain.events import CHECKS, EventType, Purpose
from core.domain.language import Language
from core.domain.pace import interval
from core.domain.signing import (
    DELIVERY_HEADER,
    EVENT_HEADER,
    SECRET_PREFIX,
    SIGNATURE_HEADER,
    Secret,
    build_body,
    build_chat_body,
)
from core.storage.database import connection
from core.storage.models import TABLES
from core.verification.history import History, Post, Row, beside, interrupted, rounds, used_up

PROMPT = timedelta(seconds=60)
"""How soon after it is due a POST to a healthy address starts."""

_COMMITTING = timedelta(seconds=1)
"""From a deletion's time to its commit, and from a last look to the receiver's clock."""

_CLOCKS = timedelta(milliseconds=5)
"""How well the clocks of two workers on one machine agree with each one's own steps."""

_SHOWN_OF_A_PATH = 4  # characters, at its end
_NOT_ATTEMPTED = {ErrorKind.CORRUPT, ErrorKind.PARKED}
_NEVER_SENT = {ErrorKind.DNS, ErrorKind.BLOCKED, ErrorKind.TLS, *_NOT_ATTEMPTED}
_TO_BE_REFUSED = {Purpose.TAMPERED, Purpose.WRONG_SECRET}
_UNANSWERED = {ErrorKind.CONNECT, ErrorKind.TIMEOUT, ErrorKind.PROTOCOL, ErrorKind.INTERNAL}


class Rule(StrEnum):
    """What a violation breaks."""

    LOST = "nothing is lost"
    REPEATED = "only a crash, or an owner, repeats what was accepted"
    CHANGED = "a delivery keeps its id and its bytes"
    LOGGED = "every request is in the attempt log"
    DELETED = "a deletion is final"
    PACED = "a pace is held"
    PAUSED = "a paused webhook is sent tests only"
    COUNTED = "attempts are counted, and bounded"
    LEAKED = "no secret is stored"
    MISDIRECTED = "everyone gets what is theirs"
    SIGNED = "every signature verifies"
    LATE = "a healthy address is not kept waiting"
    TOLD = "an alert is about another webhook, says no more of it than it may, and is rare"


class Violation(NamedTuple):
    rule: Rule
    sentence: str


@dataclass(frozen=True)
class Evidence:
    posts: Sequence[Post]
    schedule: Schedule
    published: Collection[str] = ()  # the keys of what was committed
    older: Mapping[int, Collection[str]] = field(default_factory=dict)  # those before a webhook was
    secrets: Mapping[int, Sequence[Secret]] = field(default_factory=dict)  # a webhook's, ever
    places: Mapping[str, bytes] = field(default_factory=dict)  # to look for secrets in
    deletions: Mapping[int, datetime] = field(default_factory=dict)  # when each had returned
    healthy: Collection[str] = ()  # URLs that always answer
    set_back: timedelta = timedelta()  # the sum of the clock's steps back
    keep: timedelta | None = None  # how long what is settled or parked is kept
    history: History = field(default_factory=History)

    @cached_property
    def posts_of(self) -> dict[UUID | None, list[Post]]:
        found = defaultdict(list)
        for post in self.posts:
            found[post.delivery].append(post)
        return found

    def known(self) -> Iterator[tuple[Row, list[Post], list[Row]]]:
        """Each delivery, its POSTs and its attempt log."""
        for uuid, delivery in self.history.deliveries.items():
            yield delivery, self.posts_of.get(uuid, []), self.history.attempts[delivery.id]

    def unknown(self) -> Iterator[Post]:
        """The POSTs of deliveries that are not in the tables."""
        for uuid, posts in self.posts_of.items():
            if uuid not in self.history.deliveries:
                yield from posts


def check(evidence: Evidence) -> list[Violation]:
    """Everything that is not as it must be; nothing, after a run that went well."""
    return [
        Violation(rule, sentence)
        for rule, finders in _FINDERS.items()
        for find in finders
        for sentence in find(evidence)
    ]


# Nothing is lost


def _vanished(evidence: Evidence) -> Iterator[str]:
    there = {event.key for event in evidence.history.events.values()}
    for key in evidence.published:
        if key not in there:
            yield f"the event {key} was committed and is gone"


def _missing(evidence: Evidence) -> Iterator[str]:
    history = evidence.history
    for event in history.events.values():
        if event.fanned_out_at is None or event.refused is not None:
            continue  # it waits in the outbox, or was set aside in plain sight
        for webhook in history.webhooks_of.get(event.business, []):
            copies = history.counted[event.id, webhook.id]
            older = _was_there_before(webhook, event, evidence)
            if copies > 1:
                yield f"event {event.id} has {copies} deliveries to webhook {webhook.id}"
            if copies or older or webhook.deleted_at is not None:
                continue
            if history.selects(webhook, event) and not history.keeps_back(webhook, event):
                yield f"event {event.id} has no delivery to webhook {webhook.id}"


def _was_there_before(webhook: Row, event: Row, evidence: Evidence) -> bool:
    """Whether the event may have been committed before the webhook selected what it selects."""
    since = evidence.history.selecting_since[webhook.id]
    return bool(event.created_at <= since) or event.key in evidence.older.get(webhook.id, ())


def _stuck(evidence: Evidence) -> Iterator[str]:
    for delivery, _, log in evidence.known():
        waits = delivery.status in WAITING
        if waits and delivery.due_at is None:
            yield f"delivery {delivery.uuid} is {delivery.status} and nothing will attempt it"
        if not waits and (delivery.due_at is not None or delivery.lease is not None):
            yield f"delivery {delivery.uuid} is {delivery.status} and still due or leased"
        if delivery.status == Status.ABANDONED and not _was_given_up(delivery, log, evidence):
            yield f"delivery {delivery.uuid} was abandoned with attempts left"
        if delivery.status == Status.DELIVERED and not (log and _accepted(log[-1])):
            yield f"delivery {delivery.uuid} is delivered, which no attempt says"
        if waits and any(map(_accepted, log)) and not evidence.history.restarts(delivery):
            yield f"delivery {delivery.uuid} was accepted and still waits"


def _forgotten(evidence: Evidence) -> Iterator[str]:
    """By passes, which look at a webhook when its row says so and not at its deliveries."""
    history = evidence.history
    for delivery in history.deliveries.values():
        webhook = history.webhooks[delivery.webhook]
        if delivery.due_at is None or not history.may_be_sent_to(webhook):
            continue
        if webhook.paused_at is not None and not history.is_on_purpose(delivery):
            continue
        start = max(delivery.due_at, webhook.not_before or delivery.due_at)
        if webhook.ready_at is None or webhook.ready_at > start:
            yield (
                f"delivery {delivery.uuid} is due at {delivery.due_at}, and webhook {webhook.id} "
                f"is looked at {webhook.ready_at or 'never'}"
            )


def _was_given_up(delivery: Row, log: Sequence[Row], evidence: Evidence) -> bool:
    if log and log[-1].error == ErrorKind.CORRUPT:
        return True
    if log and log[-1].error == ErrorKind.PARKED:
        was_paused = _is_in_a_pause(delivery.settled_at, delivery, evidence)
        age = delivery.settled_at - delivery.created_at
        return was_paused and (evidence.keep is None or age >= evidence.keep)
    if delivery.interruptions > INTERRUPTIONS_LIMIT:
        return True
    is_of_a_check = evidence.history.events[delivery.event].purpose in CHECKS
    return bool(delivery.attempts >= (1 if is_of_a_check else evidence.schedule.max_attempts))


def _accepted(attempt: Row) -> bool:
    return is_success(attempt.http_status)


# What was repeated, and what is logged of it


def _repeated(evidence: Evidence) -> Iterator[str]:
    for delivery, posts, log in evidence.known():
        accepted = sum(post.accepted for post in posts)
        on_record = sum(map(_accepted, log))
        if accepted > on_record + _excuses(delivery, log):
            yield (
                f"delivery {delivery.uuid} was accepted {accepted} times; the log has {on_record} "
                "of them, and too few crashes and lost answers for the rest"
            )
        if on_record > 1 + evidence.history.restarts(delivery):
            yield f"delivery {delivery.uuid} was sent again after it was accepted, for no reason"


def _excuses(delivery: Row, log: Sequence[Row]) -> int:
    """Attempts whose answer never reached the log: crashes, lost answers, one in flight now."""
    unanswered = sum(row.error in _UNANSWERED for row in log)
    return interrupted(log) + unanswered + (delivery.lease is not None)


def _unlogged(evidence: Evidence) -> Iterator[str]:
    for delivery, posts, log in evidence.known():
        answered = Counter(post.status for post in posts if post.status is not None)
        logged = Counter(row.http_status for row in log if row.http_status is not None)
        sent = sum(row.error not in _NEVER_SENT for row in log) + (delivery.lease is not None)
        if answered.total() > sent:
            yield (
                f"delivery {delivery.uuid} was answered {answered.total()} times and at most "
                f"{sent} requests are on record"
            )
        for status, times in (logged - answered).items():
            yield (
                f"delivery {delivery.uuid}: the log has {times} × {status} that nobody answered: "
                f"{dict(logged)} where receivers gave {dict(answered)}"
            )


def _changed(evidence: Evidence) -> Iterator[str]:
    for delivery, posts, _ in evidence.known():
        event = evidence.history.events[delivery.event]
        if not {post.body for post in posts} <= _bodies(delivery, event, evidence.history):
            yield f"delivery {delivery.uuid} was sent with other bytes than its event's"
        if any(post.headers.get(EVENT_HEADER) != event.type for post in posts):
            yield f"delivery {delivery.uuid} was sent as another event than {event.type}"


def _bodies(delivery: Row, event: Row, history: History) -> set[bytes]:
    """What it may be sent as; redelivered, a chat line is made anew."""
    payload = bytes(event.payload)
    as_json = build_body(event.type, delivery.uuid, event.created_at, payload)
    if history.by_owners(delivery) and history.has_chosen_format(delivery.webhook):
        return {as_json} | {build_chat_body(event.type, payload, each) for each in Language}
    return {bytes(delivery.body or as_json)}


def _unnamed(evidence: Evidence) -> Iterator[str]:
    for post in evidence.posts_of.get(None, []):
        yield f"{post.url} got a POST whose {DELIVERY_HEADER} is no id"


# Deletions, attempts, secrets


def _posted_after_deletion(evidence: Evidence) -> Iterator[str]:
    deletions = {
        webhook_id: evidence.deletions.get(webhook_id, at + _COMMITTING)
        for webhook_id, at in evidence.history.deleted.items()
    }
    for delivery, posts, _ in evidence.known():
        for post in posts:
            if delivery.webhook in deletions and post.at > deletions[delivery.webhook]:
                yield f"delivery {delivery.uuid} was sent after its webhook was deleted"
    last = {
        url: at for webhook_id, at in deletions.items() for url in evidence.history.urls[webhook_id]
    }
    for post in evidence.unknown():
        if post.url in last and post.at > last[post.url]:
            yield f"{post.url} got a POST after its webhook was deleted"


def _attempted_in_a_pause(evidence: Evidence) -> Iterator[str]:
    for delivery, posts, log in evidence.known():
        if evidence.history.is_on_purpose(delivery):
            continue
        begun = [post.at for post in posts]
        begun += [
            row.started_at
            for row in log
            if row.error not in {ErrorKind.INTERRUPTED, *_NOT_ATTEMPTED}
        ]
        if any(_is_in_a_pause(at, delivery, evidence, _COMMITTING) for at in begun):
            yield f"delivery {delivery.uuid} was attempted while its webhook was paused"


def _too_close(evidence: Evidence) -> Iterator[str]:
    """By what each webhook has chosen since it was last edited."""
    begun = defaultdict[int, list[datetime]](list)
    for delivery, _, log in evidence.known():
        not_begun = {ErrorKind.INTERRUPTED, *_NOT_ATTEMPTED}
        begun[delivery.webhook] += [row.started_at for row in log if row.error not in not_begun]
    for webhook in evidence.history.webhooks.values():
        if webhook.pace is None:
            continue
        since = evidence.history.selecting_since[webhook.id] + _COMMITTING
        moments = sorted(at for at in begun[webhook.id] if at >= since)
        for before, after in pairwise(moments):
            if after - before < interval(webhook.pace) - _CLOCKS:
                apart = (after - before).total_seconds()
                yield f"webhook {webhook.id} was sent to twice within {apart:.3f} s, at {after}"


def _is_in_a_pause(
    at: datetime, delivery: Row, evidence: Evidence, committing: timedelta = timedelta()
) -> bool:
    pauses = evidence.history.pauses.get(delivery.webhook, ())
    return any(since + committing <= at < until for since, until in pauses)


def _miscounted(evidence: Evidence) -> Iterator[str]:
    for delivery, _, log in evidence.known():
        restarts = evidence.history.restarts(delivery)
        if len(rounds(log)) > 1 + restarts:
            yield f"delivery {delivery.uuid} began its schedule again, for no reason"
        if evidence.history.recoveries(delivery) > 1 + evidence.history.by_owners(delivery):
            yield f"delivery {delivery.uuid} was recovered by itself more than once"
        if beside(log) > evidence.history.by_owners(delivery):
            yield f"delivery {delivery.uuid} was attempted beside its schedule, for no reason"
        if delivery.resume_at is not None and delivery.status != Status.FAILED:
            yield f"delivery {delivery.uuid} is {delivery.status} and its schedule is to go on"
        waits_anew = restarts > 0 and delivery.status in WAITING and not delivery.attempts
        faults = [fault for each in rounds(log) for fault in _faults(each, evidence)]
        if not waits_anew:
            faults += _differs(delivery, rounds(log)[-1] if log else [])
        yield from (f"delivery {delivery.uuid} {fault}" for fault in faults)


def _faults(log: Sequence[Row], evidence: Evidence) -> Iterator[str]:
    """What is wrong with the attempts of one round."""
    for position, row in enumerate(log):
        if row.number not in {BESIDE, 1 + used_up(log[:position])}:
            yield f"has attempt {row.number} after {used_up(log[:position])} that count"
    if used_up(log) > evidence.schedule.max_attempts:
        yield f"was attempted {used_up(log)} times"
    if interrupted(log) > INTERRUPTIONS_LIMIT + 1:
        yield f"was interrupted {interrupted(log)} times"


def _differs(delivery: Row, log: Sequence[Row]) -> Iterator[str]:
    if delivery.attempts != used_up(log):
        yield f"counts {delivery.attempts} attempts and its log {used_up(log)}"
    if delivery.interruptions != interrupted(log):
        yield f"counts {delivery.interruptions} interruptions and its log {interrupted(log)}"


def _leaked(evidence: Evidence) -> Iterator[str]:
    secrets = [each for some in evidence.secrets.values() for each in some]
    if not secrets:
        return
    for name, content in _everywhere(evidence):
        for secret in secrets:
            if secret.reveal().removeprefix(SECRET_PREFIX).encode() in content:
                yield f"a secret is in {name}"


def _everywhere(evidence: Evidence) -> Iterator[tuple[str, bytes]]:
    yield from evidence.places.items()
    with connection():
        for table in TABLES:
            rows = list(table.select().tuples())
            name = table._meta.table_name  # noqa: SLF001 - peewee's public name for it
            yield f"the table {name}", repr(rows).encode()
    yield "what was sent", repr([(post.headers, post.body) for post in evidence.posts]).encode()


# Whose it is, and when


def _misdirected(evidence: Evidence) -> Iterator[str]:
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


def _unheard_of(evidence: Evidence) -> Iterator[str]:
    standing = {row.url for row in evidence.history.webhooks.values() if row.deleted_at is None}
    for post in evidence.unknown():
        if post.url in standing:
            yield f"{post.url} got delivery {post.delivery}, which is not in the tables"


def _unsigned(evidence: Evidence) -> Iterator[str]:
    for delivery, posts, _ in evidence.known():
        secrets = evidence.secrets.get(delivery.webhook, ())
        purpose = evidence.history.events[delivery.event].purpose
        for post in posts if secrets else ():
            given = post.headers.get(SIGNATURE_HEADER)
            is_signed = any(secret.sign(post.body) == given for secret in secrets)
            if is_signed and purpose in _TO_BE_REFUSED:
                yield f"delivery {delivery.uuid} is to be refused, and was signed rightly"
            if not is_signed and purpose not in _TO_BE_REFUSED:
                yield f"delivery {delivery.uuid} was signed with no secret of its webhook's"


def _late(evidence: Evidence) -> Iterator[str]:
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
    """The first POST, and the attempts whose predecessor ended with an outcome."""
    if posts and not (log and log[0].error == ErrorKind.INTERRUPTED):
        yield event.created_at, min(post.at for post in posts)
    for before, row in pairwise(log):
        wait = evidence.schedule.wait_after(before.number)
        if before.error != ErrorKind.INTERRUPTED and wait is not None:
            ended = before.started_at + timedelta(microseconds=before.duration_us)
            yield ended + wait, row.started_at


# What is told of one webhook at another


def _told_wrongly(evidence: Evidence) -> Iterator[str]:
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


def _told_too_often(evidence: Evidence) -> Iterator[str]:
    told = defaultdict(list)
    for event, payload in _alerts(evidence):
        told[payload["webhook"]["id"], payload["kind"], event.webhook].append(event.created_at)
    shortest = APART - _COMMITTING - evidence.set_back
    for (about, kind, hearer), times in told.items():
        if any(later - sooner < shortest for sooner, later in pairwise(times)):
            yield f"webhook {hearer} was told twice in an hour that webhook {about} is {kind}"


def _alerts(evidence: Evidence) -> Iterator[tuple[Row, Any]]:
    for event in evidence.history.events.values():
        if event.type == EventType.ALERT:
            yield event, json.loads(bytes(event.payload))


_FINDERS: dict[Rule, tuple[Callable[[Evidence], Iterator[str]], ...]] = {
    Rule.LOST: (_vanished, _missing, _stuck, _forgotten),
    Rule.REPEATED: (_repeated,),
    Rule.CHANGED: (_changed, _unnamed),
    Rule.LOGGED: (_unlogged,),
    Rule.DELETED: (_posted_after_deletion,),
    Rule.PACED: (_too_close,),
    Rule.PAUSED: (_attempted_in_a_pause,),
    Rule.COUNTED: (_miscounted,),
    Rule.LEAKED: (_leaked,),
    Rule.MISDIRECTED: (_misdirected, _unheard_of),
    Rule.SIGNED: (_unsigned,),
    Rule.LATE: (_late,),
    Rule.TOLD: (_told_wrongly, _told_too_often),
}
