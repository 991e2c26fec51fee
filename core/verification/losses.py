"""Nothing is lost: what was published has its deliveries, and something becomes of each."""

from collections.abc import Iterator, Sequence

from core.domain.delivery import INTERRUPTIONS_LIMIT, WAITING, ErrorKind, Status
from core.domain.events import CHECKS
from core.verification.evidence import Evidence, is_in_a_pause, was_accepted
from core.verification.history import Row


def vanished(evidence: Evidence) -> Iterator[str]:
    there = {event.key for event in evidence.history.events.values()}
    for key in evidence.published:
        if key not in there:
            yield f"the event {key} was committed and is gone"


def missing(evidence: Evidence) -> Iterator[str]:
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
    """Whether the event may have been committed before the webhook selected what it selects now."""
    since = evidence.history.selecting_since[webhook.id]
    return bool(event.created_at <= since) or event.key in evidence.older.get(webhook.id, ())


def stuck(evidence: Evidence) -> Iterator[str]:
    for delivery, _, log in evidence.known():
        waits = delivery.status in WAITING
        if waits and delivery.due_at is None:
            yield f"delivery {delivery.uuid} is {delivery.status} and nothing will attempt it"
        if not waits and (delivery.due_at is not None or delivery.lease is not None):
            yield f"delivery {delivery.uuid} is {delivery.status} and still due or leased"
        if delivery.status == Status.ABANDONED and not _was_given_up(delivery, log, evidence):
            yield f"delivery {delivery.uuid} was abandoned with attempts left"
        if delivery.status == Status.DELIVERED and not (log and was_accepted(log[-1])):
            yield f"delivery {delivery.uuid} is delivered, which no attempt says"
        if waits and any(map(was_accepted, log)) and not evidence.history.restarts(delivery):
            yield f"delivery {delivery.uuid} was accepted and still waits"


def forgotten(evidence: Evidence) -> Iterator[str]:
    """Deliveries that passes would forget: those look at a webhook when its row says so, and not at
    its deliveries.
    """
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
        was_paused = is_in_a_pause(delivery.settled_at, delivery, evidence)
        age = delivery.settled_at - delivery.created_at
        return was_paused and (evidence.keep is None or age >= evidence.keep)
    if delivery.interruptions > INTERRUPTIONS_LIMIT:
        return True
    is_of_a_check = evidence.history.events[delivery.event].purpose in CHECKS
    return bool(delivery.attempts >= (1 if is_of_a_check else evidence.schedule.max_attempts))
