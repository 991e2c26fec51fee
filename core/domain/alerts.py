"""What an owner is told of one webhook at another: that it fails, is back, or will soon. Pure.

A webhook is looked at when something of it has changed, and when the time has come that something
of it is worth telling. What is told follows from how it is and from what was told last: so whatever
is looked at twice is told once, and what is over by then is not told at all.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit

from core.domain.delivery import TOLD_BEFORE
from core.domain.hosts import host_of
from core.domain.language import N_, Wording
from core.domain.signing import wire_time

FAILING_AFTER = timedelta(minutes=30)
"""How long an outage has lasted when its owner is told."""

CERTIFICATE_WITHIN = timedelta(days=7)
"""How long before a certificate ends its owner is told."""

APART = timedelta(hours=1)
"""Between two messages about one webhook and of one kind, at least."""

_TAIL = 4  # characters of a path: all of it may be a credential


class Kind(StrEnum):
    """What is told."""

    FAILING = "failing"  # an outage has lasted, or something was abandoned
    BACK = "back"  # the first 2xx after that
    CERTIFICATE = "certificate"  # it ends soon
    PARKED = "parked"  # what is parked is about to be given up


@dataclass(frozen=True, slots=True)
class Condition:
    """How a webhook is, as far as its owner may have to be told."""

    down_since: datetime | None = None  # of an outage that lasts
    lost_since: datetime | None = None  # something was abandoned, and nothing accepted since
    up_since: datetime | None = None  # its latest outage ended then
    certificate_until: datetime | None = None  # as a handshake has shown
    paused_at: datetime | None = None
    parked_since: datetime | None = None  # the oldest of what is parked


class Told(NamedTuple):
    """The latest message of a kind about a webhook."""

    at: datetime
    since: datetime  # since when what it told was so


class Edge(NamedTuple):
    """Something that has come about, or will."""

    kind: Kind
    since: datetime  # since when it is so
    tell_at: datetime
    time: timedelta  # for how long it fails, or failed; until it ends, or is given up


class Look(NamedTuple):
    """What is to be told now, and when to look again."""

    tell: Sequence[Edge]
    again_at: datetime | None


def look(condition: Condition, told: Mapping[Kind, Told], keep: timedelta, now: datetime) -> Look:
    """What an owner who was told that before is to be told of a webhook in this condition; `keep`
    is how long what is parked is kept.
    """
    tell, later = list[Edge](), list[datetime]()
    for edge in _edges(condition, told, keep, now):
        before = told.get(edge.kind)
        tell_at = edge.tell_at if before is None else max(edge.tell_at, before.at + APART)
        if tell_at > now:
            later.append(tell_at)
        elif edge.kind is Kind.PARKED and condition.parked_since is None:
            later.append(now + APART)  # nothing is parked yet
        else:
            tell.append(edge)
    return Look(tell, min(later, default=None))


def _edges(
    condition: Condition, told: Mapping[Kind, Told], keep: timedelta, now: datetime
) -> Iterator[Edge]:
    """What has not been told of how it is."""
    failing, back = told.get(Kind.FAILING), told.get(Kind.BACK)
    is_known_to_fail = failing is not None and (back is None or back.at < failing.at)
    troubles = _troubles(condition)
    if troubles and not is_known_to_fail:
        since = min(since for since, _ in troubles)
        yield Edge(Kind.FAILING, since, min(tell_at for _, tell_at in troubles), now - since)
    if failing is not None and is_known_to_fail and not troubles:
        up_since = condition.up_since
        since = up_since if up_since and up_since > failing.since else now
        yield Edge(Kind.BACK, since, now, since - failing.since)
    ends = condition.certificate_until
    if ends is not None and ends > now:
        since = ends - CERTIFICATE_WITHIN
        if _is_new(Kind.CERTIFICATE, since, told):
            yield Edge(Kind.CERTIFICATE, since, since, ends - now)
    paused_at = condition.paused_at
    if paused_at is not None and _is_new(Kind.PARKED, paused_at, told):
        given_up_at = min(condition.parked_since or now, now) + keep
        yield Edge(Kind.PARKED, paused_at, given_up_at - TOLD_BEFORE, given_up_at - now)


def _troubles(condition: Condition) -> list[tuple[datetime, datetime]]:
    """Since when each lasts, and from when on it is worth telling."""
    down, lost = condition.down_since, condition.lost_since
    since_down = [] if down is None else [(down, down + FAILING_AFTER)]
    return since_down if lost is None else [*since_down, (lost, lost)]


def _is_new(kind: Kind, since: datetime, told: Mapping[Kind, Told]) -> bool:
    return kind not in told or told[kind].since != since


class About(NamedTuple):
    """The webhook that an alert is about."""

    id: int
    url: str
    name: str = ""  # what its owner calls it
    parked: int = 0  # deliveries


def alert_payload(edge: Edge, about: About, wording: Wording) -> bytes:
    """The payload of an alert, for programs and for people. Of the webhook's address it shows the
    host and the end of the path only.
    """
    told = {
        "kind": edge.kind,
        "webhook": {"id": about.id, "host": host_of(about.url)},
        "since": wire_time(edge.since),
        "text": alert_text(edge, about, wording),
    }
    return json.dumps(told, ensure_ascii=False).encode()


def alert_text(edge: Edge, about: About, wording: Wording) -> str:
    """What people are told, in a sentence."""
    sentence, time = wording.say(_SENTENCES[edge.kind]), _span(edge.time, wording)
    return sentence.format(webhook=_place(about), time=time, parked=about.parked)


def _place(about: About) -> str:
    tail = urlsplit(about.url).path.rstrip("/")[-_TAIL:]
    place = f"{host_of(about.url)} …{tail}" if tail else host_of(about.url)
    return f"{about.name} ({place})" if about.name else place


_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def _span(time: timedelta, wording: Wording) -> str:
    """Without a colon, which a chat line would have to defuse."""
    if time >= 2 * _DAY:
        return wording.say(N_("{days} days")).format(days=time // _DAY)
    if time >= 2 * _HOUR:
        return wording.say(N_("{hours} h")).format(hours=time // _HOUR)
    return wording.say(N_("{minutes} min")).format(minutes=max(time // _MINUTE, 1))


_SENTENCES: Mapping[Kind, str] = {
    Kind.FAILING: N_("{webhook} is failing · nothing accepted for {time}"),
    Kind.BACK: N_("{webhook} is back · it had been failing for {time}"),
    Kind.CERTIFICATE: N_("{webhook} · its certificate ends in {time}"),
    Kind.PARKED: N_(
        "{webhook} is paused · {parked} deliveries are parked, and the oldest are "
        "abandoned in {time} unless it is resumed"
    ),
}
