"""What a pass came to: its counts, and a log line for each attempt."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from core.domain.delivery import Status, Unreachable, Verdict
from core.pipeline.settling import Settlement

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """What a pass did."""

    events: int = 0  # that were fanned out
    attempts: int = 0
    delivered: int = 0
    failed: int = 0  # and will be attempted again
    abandoned: int = 0

    def count(self, settlement: Settlement, verdict: Verdict) -> None:
        """Count an attempt that was settled, and log it."""
        self.attempts += verdict.counts
        self.delivered += verdict.status is Status.DELIVERED
        self.failed += verdict.status is Status.FAILED
        self.abandoned += verdict.status is Status.ABANDONED
        _log(settlement, verdict)


def _log(settlement: Settlement, verdict: Verdict) -> None:
    level = logging.DEBUG if verdict.status is Status.DELIVERED else logging.INFO
    if not log.isEnabledFor(level):
        return
    outcome = settlement.outcome
    log.log(
        level,
        verdict.status or type(outcome).__name__.lower(),
        extra={
            "delivery": settlement.claim.uuid,
            "webhook": settlement.claim.webhook_id,
            "event": settlement.claim.event_type,
            "attempt": settlement.claim.attempt,
            "http_status": getattr(outcome, "http_status", None),
            "error": getattr(outcome, "error", None),
            # Only words of ours: what an answer says, even its Location, is shown with its
            # delivery and nowhere else.
            "detail": outcome.detail if isinstance(outcome, Unreachable) else "",
            "ms": round(settlement.duration / timedelta(milliseconds=1)),
        },
    )
