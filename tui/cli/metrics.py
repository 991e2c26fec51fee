"""The installation's numbers in Prometheus's text format (0.0.4): gauges, counters, a histogram."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from core.domain.cleaning import clean
from core.storage.counting import ABANDONED, ATTEMPTS, BUCKETS, DELIVERED, DELIVERED_TIME, Counts
from core.use_cases.installation_health import Vitals

_PREFIX = "aurapos_webhooks_"


class _Family(NamedTuple):
    name: str
    kind: str
    told: str
    samples: Mapping[str, float]  # what follows the name → value


def exposition(found: Vitals, counts: Counts, locked: int, now: datetime) -> Iterator[str]:
    """The lines, each family with its help and its type."""
    for family in (*_gauges(found, locked, now), *_counters(counts), _seconds_to_delivery(counts)):
        yield f"# HELP {_PREFIX}{family.name} {family.told}"
        yield f"# TYPE {_PREFIX}{family.name} {family.kind}"
        for suffix, value in family.samples.items():
            yield f"{_PREFIX}{family.name}{suffix} {value}"


def _gauges(found: Vitals, locked: int, now: datetime) -> Iterator[_Family]:
    oldest = (now - found.oldest_due).total_seconds() if found.oldest_due else 0
    for name, told, samples in (
        ("outbox_events", "Events not yet fanned out.", {"": found.outbox}),
        ("events_set_aside", "Events that cannot be sent to anybody.", {"": found.set_aside}),
        ("deliveries_due", "Deliveries that are due and wait.", {"": found.due}),
        ("deliveries_late", "Of those, due for more than a minute.", {"": found.late}),
        ("deliveries_in_flight", "Deliveries being attempted.", {"": found.in_flight}),
        ("deliveries_scheduled", "Deliveries due later.", {"": found.scheduled}),
        (
            "oldest_due_seconds",
            "How long the oldest due delivery has waited.",
            {"": max(0, round(oldest))},
        ),
        (
            "attempts_last_minute",
            "Attempts started within the last minute, none of a check.",
            {
                '{outcome="delivered"}': found.delivered_last_minute,
                '{outcome="failed"}': found.failed_last_minute,
            },
        ),
        ("paused_webhooks", "Webhooks that are paused.", {"": len(found.paused)}),
        (
            "deliveries_parked",
            "Deliveries that wait for a paused webhook.",
            {"": sum(each.parked for each in found.paused)},
        ),
        ("mail_waiting", "Mails that wait to be handed in.", {"": found.mail.waiting}),
        ("mail_given_up", "Mails given up within a day.", {"": found.mail.given_up}),
        ("failing_webhooks", "Webhooks with failed deliveries.", {"": found.failing_webhooks}),
        ("locked_secrets", "Webhooks whose secret no key here opens.", {"": locked}),
        (
            "last_tick_timestamp_seconds",
            "When each consumer last ticked.",
            {f'{{consumer="{_label(name)}"}}': at.timestamp() for name, at in found.consumers},
        ),
    ):
        yield _Family(name, "gauge", told, samples)


def _counters(counts: Counts) -> Iterator[_Family]:
    attempts = {
        f'{{outcome="{_label(outcome)}"}}': value
        for (name, outcome), value in sorted(counts.items())
        if name == ATTEMPTS
    }
    attempts.setdefault('{outcome="delivered"}', 0)
    yield _Family(
        "attempts_total", "counter", "Attempts that ended, by how; none of a check.", attempts
    )
    yield _Family(
        "delivered_total",
        "counter",
        "Deliveries that got their first 2xx.",
        {"": counts[DELIVERED, "+Inf"]},
    )
    yield _Family(
        "abandoned_total",
        "counter",
        "Times a delivery was abandoned after its last attempt.",
        {"": counts[ABANDONED, ""]},
    )


def _seconds_to_delivery(counts: Counts) -> _Family:
    total = counts[DELIVERED, "+Inf"]
    samples = {
        f'_bucket{{le="{bound:g}"}}': float(counts[DELIVERED, f"{bound:g}"]) for bound in BUCKETS
    }
    samples['_bucket{le="+Inf"}'] = total
    samples["_sum"] = counts[DELIVERED_TIME, ""] / 1_000_000
    samples["_count"] = total
    told = "Seconds from an event's publication to its delivery's first 2xx."
    return _Family("delivery_seconds", "histogram", told, samples)


def _label(text: str) -> str:
    return clean(text).replace("\\", "\\\\").replace('"', '\\"')
