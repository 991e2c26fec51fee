"""Who may have how many POSTs in flight."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import nsmallest

from core.delivery import Answered, Outcome, Unreachable


@dataclass(frozen=True, slots=True)
class Limits:
    """POSTs in flight: in this process, and of those to any one webhook."""

    concurrency: int
    per_webhook: int

    @property
    def unproven(self) -> int:
        """Of the process's, those to webhooks that have not answered: the rest is kept for those
        that have, so that they find room however many of the others hang.
        """
        return max(1, self.concurrency * 3 // 4)


@dataclass(slots=True)
class Load:
    """What is in flight to each webhook, and how much more it may have.

    A webhook that leaves an attempt without an answer gets half as much at a time, down to one,
    and its whole share back with its first answer. Those that answer go first, then those not known
    yet, then the silent, the least so first; of equals, who has least in flight, then whose turn
    was longest ago: so each has its turn, however many wait.
    """

    limits: Limits
    _in_flight: Counter[int] = field(default_factory=Counter)
    _silences: dict[int, int] = field(default_factory=dict)  # since the last answer, of all known
    _turns: dict[int, int] = field(default_factory=dict)  # of each the last, counted from 1
    _turn: int = 0

    def room(self) -> int:
        return self.limits.concurrency - self._in_flight.total()

    def room_for(self, webhook_id: int) -> int:
        share = self.limits.per_webhook >> self._silences.get(webhook_id, 0)
        return max(1, share) - self._in_flight.get(webhook_id, 0)

    def started(self, webhook_id: int) -> None:
        self._in_flight[webhook_id] += 1
        self._turn += 1
        self._turns[webhook_id] = self._turn

    def ended(self, webhook_id: int, outcome: Outcome) -> None:
        self._in_flight[webhook_id] -= 1
        if not self._in_flight[webhook_id]:
            del self._in_flight[webhook_id]
        match outcome:
            case Answered():
                self._silences[webhook_id] = 0
            case Unreachable():
                silences = self._silences.get(webhook_id, 0) + 1
                self._silences[webhook_id] = min(silences, self._most_silences)

    def assume_silent(self, webhook_ids: Iterable[int]) -> None:
        """What others have seen of webhooks that this process has not called yet."""
        for webhook_id in webhook_ids:
            self._silences.setdefault(webhook_id, self._most_silences)

    def share_out(self, webhook_ids: list[int]) -> dict[int, int]:
        """How many deliveries to claim for each webhook: equal parts of the room there is."""
        room = self.room()
        takers = [each for each in webhook_ids if self.room_for(each) > 0]
        unproven = min(room, self.limits.unproven - self._unproven_in_flight())
        part = _part(room, len(takers))
        unproven_part = _part(unproven, sum(not self._is_proven(each) for each in takers))
        shares: dict[int, int] = {}
        for webhook_id in nsmallest(room, takers, key=self._rank):
            if self._is_proven(webhook_id):
                share = min(part, room, self.room_for(webhook_id))
            else:
                share = min(unproven_part, room, unproven, self.room_for(webhook_id))
                unproven -= max(0, share)
            if share > 0:
                shares[webhook_id] = share
                room -= share
        return shares

    @property
    def _most_silences(self) -> int:
        """That make a difference: after so many a webhook's share is down to one."""
        return self.limits.per_webhook.bit_length()

    def _is_proven(self, webhook_id: int) -> bool:
        return self._silences.get(webhook_id) == 0

    def _rank(self, webhook_id: int) -> tuple[int, bool, int, int]:
        silences = self._silences.get(webhook_id)
        in_flight, turn = self._in_flight.get(webhook_id, 0), self._turns.get(webhook_id, 0)
        return silences or 0, silences is None, in_flight, turn

    def _unproven_in_flight(self) -> int:
        return sum(
            count
            for webhook_id, count in self._in_flight.items()
            if not self._is_proven(webhook_id)
        )


def _part(room: int, takers: int) -> int:
    return max(1, room // max(1, takers))
