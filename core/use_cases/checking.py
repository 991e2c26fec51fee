"""Checking a receiver: queue pings that it should accept or refuse, then read what it did."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.domain.actors import Actor
from core.domain.checking import GENUINE_PAYLOAD, TAMPERED_PAYLOAD, Ping, Reaction, Report, report
from core.domain.choices import Format
from core.domain.delivery import WAITING, is_success
from core.domain.events import EventType, Purpose
from core.domain.language import N_
from core.errors import BadInput
from core.intake import Wake, queue_for
from core.storage.database import after_commit, transaction
from core.use_cases import queries
from core.use_cases.access import usable_webhook
from core.use_cases.audit import note
from core.use_cases.deliveries import AttemptRow
from core.use_cases.queries import DeliveryDetail
from core.use_cases.services import redeliver

_PINGS = {
    Ping.GOOD: (Purpose.CHECK, GENUINE_PAYLOAD),
    Ping.TAMPERED: (Purpose.TAMPERED, TAMPERED_PAYLOAD),
    Ping.WRONG_SECRET: (Purpose.WRONG_SECRET, GENUINE_PAYLOAD),
    Ping.STALE: (Purpose.STALE, GENUINE_PAYLOAD),
}
_REST = timedelta(seconds=10)


def longest(timeout: timedelta) -> timedelta:
    """The longest that a check takes where a worker runs: two attempts, the second one after the
    first has ended, and the time between them.
    """
    return 2 * timeout + _REST


@dataclass(frozen=True, slots=True)
class Check:
    """A check that is going on: the ids of its events. `Ping.AGAIN` is the good one, sent again."""

    webhook_id: int
    events: Mapping[Ping, int]


def begin_check(actor: Actor, webhook_id: int, now: datetime, *, wake: Wake) -> Check:
    """Queue the pings of a check for this webhook; each of them is attempted once.

    Raises BadInput for a webhook that gets chat lines: chat programs verify nothing.
    """
    with transaction():
        webhook = usable_webhook(actor, webhook_id)
        if webhook.format == Format.CHAT:
            raise BadInput(
                N_("A chat program verifies no signature, so there is nothing to check.")
            )
        events = {
            ping: queue_for(webhook, EventType.PING, payload, now, purpose=purpose)
            for ping, (purpose, payload) in _PINGS.items()
            if ping is not Ping.STALE or webhook.standard_webhooks  # a body alone has no age
        }
        note(actor, webhook.business_id, "checked", now, webhook_id=webhook_id, subject=webhook.url)
        after_commit(wake)
    return Check(webhook_id, events)


def go_on(actor: Actor, under_way: Check, now: datetime, *, wake: Wake) -> Report | None:
    """The report, once every ping has ended; None until then, so ask again. When the good ping has
    been accepted, this sends it once more.
    """
    ended = [(ping, _ended(actor, under_way, ping)) for ping in under_way.events]
    known = {ping: detail for ping, detail in ended if detail is not None}
    if len(known) < len(ended):
        return None
    reactions = {ping: _reaction(detail.attempts[-1]) for ping, detail in known.items()}
    good = known[Ping.GOOD]
    accepted = [each for each in good.attempts if is_success(each.http_status)]
    if not accepted:
        return report(reactions)
    if good.attempts[-1] is accepted[0]:
        redeliver(actor, str(good.delivery.uuid), now, wake=wake)
        return None
    again = reactions[Ping.GOOD]
    return report({**reactions, Ping.GOOD: _reaction(accepted[0]), Ping.AGAIN: again})


def _ended(actor: Actor, under_way: Check, ping: Ping) -> DeliveryDetail | None:
    """What became of a ping, once nothing more will happen to it by itself."""
    row = queries.delivery_of_event(actor, under_way.webhook_id, under_way.events[ping])
    if row is None or row.status in WAITING:
        return None
    return queries.delivery(actor, str(row.uuid))


def _reaction(attempt: AttemptRow) -> Reaction:
    return Reaction(attempt.http_status, attempt.error, attempt.response)
