"""What a pass came to: its counts, and a log line for each attempt."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from core.domain.delivery import Status, Unreachable, Verdict
from core.pipeline.settling import Judged, Settlement

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """What a pass did."""

    events: int = 0  # that were fanned out
    attempts: int = 0
    delivered: int = 0
    failed: int = 0  # and will be attempted again
    abandoned: int = 0

    def count(self, settled: Sequence[Judged]) -> None:
        """Count these attempts, which were settled, and log them."""
        for verdict, number in Counter(verdict for _, verdict in settled).items():
            self.attempts += number * verdict.counts
            self.delivered += number * (verdict.status is Status.DELIVERED)
            self.failed += number * (verdict.status is Status.FAILED)
            self.abandoned += number * (verdict.status is Status.ABANDONED)
        logs_all = log.isEnabledFor(logging.DEBUG)
        for settlement, verdict in settled:
            if logs_all or verdict.status is not Status.DELIVERED:
                _log(settlement, verdict)


def _log(settlement: Settlement, verdict: Verdict) -> None:
    outcome = settlement.outcome
    log.log(
        logging.DEBUG if verdict.status is Status.DELIVERED else logging.INFO,
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
