"""Who may have how many POSTs in flight."""

from collections import Counter
from dataclasses import dataclass, field

from core.delivery import Outcome, Unreachable


@dataclass(frozen=True, slots=True)
class Limits:
    """POSTs in flight: in this process, and of those to any one webhook."""

    concurrency: int
    per_webhook: int


@dataclass(slots=True)
class Load:
    """What is in flight to each webhook, and how much more it may have.

    A webhook that leaves an attempt without an answer gets half as much at a time, down to one,
    and its whole share back with its first answer: however many hang, the others find room.
    """

    limits: Limits
    _in_flight: Counter[int] = field(default_factory=Counter)
    _silences: Counter[int] = field(default_factory=Counter)

    def room(self) -> int:
        return self.limits.concurrency - self._in_flight.total()

    def room_for(self, webhook_id: int) -> int:
        share = self.limits.per_webhook >> self._silences.get(webhook_id, 0)
        return max(1, share) - self._in_flight.get(webhook_id, 0)

    def started(self, webhook_id: int) -> None:
        self._in_flight[webhook_id] += 1

    def ended(self, webhook_id: int, outcome: Outcome) -> None:
        self._in_flight[webhook_id] -= 1
        if isinstance(outcome, Unreachable):
            self._silences[webhook_id] += 1
        else:
            self._silences.pop(webhook_id, None)

    def share_out(self, webhook_ids: list[int]) -> dict[int, int]:
        """How many deliveries to claim for each webhook: equal parts of the room there is."""
        room = self.room()
        part = max(1, room // max(1, len(webhook_ids)))
        shares: dict[int, int] = {}
        for webhook_id in webhook_ids:
            if room <= 0:
                break
            share = min(part, room, self.room_for(webhook_id))
            if share > 0:
                shares[webhook_id] = share
                room -= share
        return shares
